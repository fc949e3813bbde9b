import type { TcpProxy } from '../../../scripts/services/index.mjs'
import { sleep } from '../../../src/waiting.js'
import { family, type Stage } from '../stage.js'

async function hole(proxies: readonly TcpProxy[], stage: Stage, mode: TcpProxy['mode'] = 'hole'): Promise<void> {
  // Either what was held back goes on its way, or it is lost.
  const lost = stage.random.chance(0.5)
  for (const proxy of proxies) proxy.mode = mode
  try {
    await stage.last()
    if (lost) for (const proxy of proxies) proxy.reset()
  } finally {
    for (const proxy of proxies) proxy.mode = 'pass'
  }
}

/** Most of the time nothing gets through. */
async function slow(proxies: readonly TcpProxy[], { lengthMs }: Stage): Promise<void> {
  const end = performance.now() + lengthMs
  try {
    while (performance.now() < end) {
      for (const proxy of proxies) proxy.mode = 'hole'
      await sleep(120)
      for (const proxy of proxies) proxy.mode = 'pass'
      await sleep(15)
    }
  } finally {
    for (const proxy of proxies) proxy.mode = 'pass'
  }
}

async function resets(proxies: readonly TcpProxy[], { lengthMs, random }: Stage): Promise<void> {
  const times = random.between(1, 6)
  for (let i = 0; i < times; i++) {
    for (const proxy of proxies) proxy.reset()
    await sleep(lengthMs / times)
  }
}

async function ofThePrimary({ world }: Stage): Promise<TcpProxy[]> {
  const { port } = await world.mongo.primary()
  return world.mongoProxies.filter(proxy => proxy.port === world.ports[port])
}

export const mongoNetwork = family('mongodb', {
  'resets towards MongoDB': stage => resets(stage.world.mongoProxies, stage),
  'a black hole towards MongoDB': stage => hole(stage.world.mongoProxies, stage),
  'a black hole towards the primary': async stage => hole(await ofThePrimary(stage), stage),
  'a slow network towards MongoDB': stage => slow(stage.world.mongoProxies, stage),
})

export const amqpNetwork = family('rabbitmq', {
  'resets towards RabbitMQ': stage => resets([stage.world.amqpProxy], stage),
  'a black hole towards RabbitMQ': stage => hole([stage.world.amqpProxy], stage),
  'confirms are held back': stage => hole([stage.world.amqpProxy], stage, 'drop-replies'),
  'a slow network towards RabbitMQ': stage => slow([stage.world.amqpProxy], stage),
})
