import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, inject, it } from 'vitest'
import { Inboxes } from '../integration/support/inbox.js'
import { leads, loses, startInstances } from '../integration/support/instances.js'
import { inDatabase, unique } from '../integration/support/pipelines.js'
import { flawless } from '../integration/support/truth.js'

const mongoUri = inject('mongoUri')
const amqpUrl = inject('amqpUrl')
const inboxes = new Inboxes()

afterEach(() => inboxes.remove())

it('an instance that was frozen for a minute publishes and saves nothing when it thaws: another one has the lease', () =>
  inDatabase(mongoUri, async (db, client) => {
    const queue = unique('frozen')
    const inbox = await inboxes.open(amqpUrl, queue)
    const ttlMs = 10_000
    const instances = await startInstances(db, client, { mongoUri, amqpUrl, queue, ttlMs })
    try {
      await inbox.take(50)
      const { leader, other, epoch } = await instances.ranks()
      leader.freeze()
      const thawed = sleep(60_000) // the length of the pause is the point
      await leads(other, epoch, ttlMs * 1.1 + 5_000)
      await thawed
      const before = inbox.received.length
      leader.thaw()
      await loses(leader, epoch)
      await inbox.take(before + 300)
      expect((await leader.stats()).stats.state).toBe('standby')
      const { duplicates, ...rest } = await instances.judge(inbox)
      expect(rest).toEqual(flawless)
      expect(duplicates).toBeLessThan(1_000)
      expect(await instances.disputes()).toEqual([])
    } finally {
      await instances.remove()
    }
  }))
