import { afterEach, describe, expect, inject, it } from 'vitest'
import { type TcpProxy, tcpProxy } from '../../scripts/services/index.mjs'
import { Inboxes } from './support/inbox.js'
import { type Instances, type InstancesOptions, leads, loses, startInstances } from './support/instances.js'
import { inDatabase, unique } from './support/pipelines.js'
import { flawless } from './support/truth.js'

const mongoUri = inject('mongoUri')
const amqpUrl = inject('amqpUrl')
const ttlMs = 2_000
/** From the end of the one to the beginning of the other: the lease, a poll, and a machine that has other things to do. */
const takeOverMs = ttlMs * 1.1 + 3_000

const inboxes = new Inboxes()
let proxies: TcpProxy[] = []

afterEach(async () => {
  await inboxes.remove()
  await Promise.all(proxies.map(proxy => proxy.close()))
  proxies = []
})

/** What a test has in hand. */
interface Ground extends Awaited<ReturnType<Instances['ranks']>> {
  /** Resolves when so many more messages have arrived. */
  more(count: number): Promise<unknown>
}

/** Two processes under load; everything has to arrive in the end, and nothing may be in dispute. */
function withInstances(use: (ground: Ground) => Promise<void>, more: Partial<InstancesOptions> = {}): Promise<void> {
  return inDatabase(mongoUri, async (db, client) => {
    const queue = unique('lease')
    const inbox = await inboxes.open(amqpUrl, queue)
    const instances = await startInstances(db, client, { mongoUri, amqpUrl, queue, ttlMs, ...more })
    try {
      await inbox.take(50)
      await use({ ...(await instances.ranks()), more: count => inbox.take(inbox.received.length + count) })
      const { duplicates, ...rest } = await instances.judge(inbox)
      expect(rest).toEqual(flawless)
      expect(duplicates).toBeLessThan(1_000)
      expect(await instances.disputes()).toEqual([])
    } finally {
      await instances.remove()
    }
  })
}

describe('of two instances with a lease', () => {
  it('the second one goes on within the time of the lease when the first one is killed', () =>
    withInstances(async ({ leader, other, epoch, more }) => {
      await leader.kill()
      await leads(other, epoch, takeOverMs)
      await more(100)
    }))

  it('the second one goes on when the first one is frozen, which publishes and saves nothing when it thaws', () =>
    withInstances(async ({ leader, other, epoch, more }) => {
      leader.freeze()
      await leads(other, epoch, takeOverMs)
      await more(100)
      leader.thaw()
      await loses(leader, epoch)
      await more(100)
      // It is as good as new: a clean stop of the other one hands over at once.
      expect(await other.stop()).toEqual({ drained: true, unconfirmed: 0 })
      await leads(leader, epoch + 1, takeOverMs)
      await more(100)
    }))

  it('the second one goes on when the first one is cut off from MongoDB, which stands by when the network heals', async () => {
    const target = new URL(mongoUri)
    for (let n = 0; n < 2; n += 1) proxies.push(await tcpProxy(Number(target.port)))
    const way = ({ port }: TcpProxy): string => {
      return `mongodb://${target.hostname}:${port}/?directConnection=true&serverSelectionTimeoutMS=1000`
    }
    const [first, second] = proxies as [TcpProxy, TcpProxy]
    await withInstances(
      async ({ leader, other, epoch, isFirst, more }) => {
        const cut = isFirst ? first : second
        cut.mode = 'hole'
        await leads(other, epoch, takeOverMs)
        await loses(leader, epoch)
        await more(100)
        cut.reset()
        cut.mode = 'pass'
        await more(100)
      },
      { ways: [way(first), way(second)] },
    )
  })
})
