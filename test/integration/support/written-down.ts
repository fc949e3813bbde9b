import type { RabbitService } from '../../../scripts/services/index.mjs'

/**
 * Before a broker is killed: RabbitMQ 3 writes its definitions behind, and forgets a durable queue, with what it has
 * confirmed, if that was declared in the second before.
 */
export async function queuesWrittenDown(rabbit: Pick<RabbitService, 'rabbitmqctl'>): Promise<void> {
  await rabbit.rabbitmqctl('eval', 'mnesia:dump_log(), mnesia:sync_log().')
}
