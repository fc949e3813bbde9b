import type { Executed } from './execute.js'
import type { PipelineChild } from './pipeline-child.js'
import type { World } from './world.js'

/** Makes sure that nothing is broken any more; each fault ends what it began, unless it failed itself. */
export async function heal(world: World, child: PipelineChild, executed: readonly Executed[]): Promise<void> {
  for (const proxy of [...world.mongoProxies, world.amqpProxy]) proxy.mode = 'pass'
  child.thaw()
  child.ask({ ask: 'resume' })
  child.start()
  const { mongo, rabbit, vhost } = world
  await Promise.all(mongo.nodes.filter(({ running }) => !running).map(node => node.restart()))
  await mongo.primary()
  if (executed.every(({ error }) => error === undefined)) return
  await rabbit.rabbitmqctl('status').catch(() => rabbit.restart())
  await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '512MiB')
  // Both refuse to clear what isn't set.
  await rabbit.rabbitmqctl('clear_vhost_limits', '-p', vhost.name).catch(() => {})
  await rabbit.rabbitmqctl('clear_policy', '-p', vhost.name, 'full').catch(() => {})
  await world.grant()
  const off = { configureFailPoint: 'failCommand', mode: 'off' }
  await Promise.all(mongo.nodes.map(node => world.onMember(node, off)))
}
