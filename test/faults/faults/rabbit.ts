import { type Channel, connect } from 'amqplib'
import { family, type Stage } from '../stage.js'

async function closeConnections({ world }: Stage): Promise<void> {
  const { name } = world.vhost
  await world.rabbit.rabbitmqctl('close_all_connections', '--vhost', name, '--per-connection-delay', '0', 'a fault')
}

async function withChannel(stage: Stage, use: (channel: Channel) => Promise<unknown>): Promise<void> {
  const connection = await connect(stage.world.vhost.url)
  connection.on('error', () => {})
  try {
    await use(await connection.createChannel())
  } finally {
    await connection.close().catch(() => {})
  }
}

/** Leaves room for so many messages; the rest is nacked. */
async function full(stage: Stage, queue: string, room: number, load: () => Promise<void>): Promise<void> {
  const { rabbit, vhost } = stage.world
  const on = ['-p', vhost.name]
  let length = 0
  await withChannel(stage, async channel => {
    length = (await channel.checkQueue(queue)).messageCount
  })
  const limit = JSON.stringify({ 'max-length': length + room })
  await rabbit.rabbitmqctl('set_policy', ...on, 'full', `^${queue}$`, limit, '--apply-to', 'queues')
  try {
    await load()
    await stage.last()
  } finally {
    await rabbit.rabbitmqctl('clear_policy', ...on, 'full')
  }
}

/** The broker itself, and what is declared in it. */
export const rabbitBroker = family('rabbitmq', {
  'the broker is killed': async ({ world, random }) => {
    await world.rabbit.kill()
    if (random.chance(0.5)) world.amqpProxy.reset()
    await world.rabbit.restart()
  },
  'the broker freezes': async stage => {
    const { rabbit } = stage.world
    rabbit.pause()
    try {
      await stage.last()
    } finally {
      rabbit.resume()
    }
  },
  'a memory alarm': async stage => {
    const { rabbit } = stage.world
    await rabbit.rabbitmqctl('set_vm_memory_high_watermark', '0')
    try {
      await stage.last()
    } finally {
      await rabbit.rabbitmqctl('set_vm_memory_high_watermark', 'absolute', '512MiB')
    }
  },
  'all connections are closed': closeConnections,
  'the exchange is deleted': stage => withChannel(stage, channel => channel.deleteExchange(stage.place.child.exchange)),
  'the binding is removed': async stage => {
    const { queue, exchange } = stage.place.child
    await withChannel(stage, channel => channel.unbindQueue(queue, exchange, '#'))
  },
  // Room for a few, none for the next of the same documents.
  'the queue is full': stage => full(stage, stage.place.child.queue, 50, () => stage.writers.burst(300)),
  'the queue of dead letters is full': stage => full(stage, stage.place.child.deadLetters, 2, stage.writers.poison),
  'new connections are refused': async stage => {
    const { world } = stage
    const on = ['-p', world.vhost.name]
    await world.rabbit.rabbitmqctl('set_vhost_limits', ...on, '{"max-connections":0}')
    try {
      await closeConnections(stage)
      await stage.last()
    } finally {
      await world.rabbit.rabbitmqctl('clear_vhost_limits', ...on)
    }
  },
  'the right to write is revoked': async stage => {
    const { world, random } = stage
    await world.grant('^$')
    try {
      // A channel may remember the right for a while.
      if (random.chance(0.5)) await closeConnections(stage)
      await stage.last()
    } finally {
      await world.grant()
    }
  },
})
