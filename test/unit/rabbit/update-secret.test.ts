import { afterEach, describe, expect, it, vi } from 'vitest'
import { RabbitPublisher } from '../../../src/rabbit/rabbit-publisher.js'
import { FakeBroker } from './fake-broker.js'

let publisher: RabbitPublisher

afterEach(async () => {
  vi.useRealTimers()
  await publisher.close({ drainTimeoutMs: 0 })
})

/** A publisher on a connection with this `updateSecret`. */
async function opened(updateSecret?: (broker: FakeBroker, secret: Buffer, reason: string) => Promise<void>) {
  const broker = new FakeBroker()
  if (updateSecret) {
    const call = (secret: Buffer, reason: string): Promise<void> => updateSecret(broker, secret, reason)
    Object.assign(broker, { updateSecret: call })
  }
  publisher = new RabbitPublisher({ connection: broker.asConnection })
  await publisher.open()
}

describe('a new secret', () => {
  it('goes to the connection that stands', async () => {
    const given: unknown[] = []
    await opened(async (_, secret, reason) => {
      given.push(String(secret), reason)
    })
    await publisher.updateSecret('s3cret', 'renewed')
    expect(given).toEqual(['s3cret', 'renewed'])
  })

  it('is refused with what to do where amqplib can not send it', async () => {
    await opened()
    await expect(publisher.updateSecret('s3cret', 'renewed')).rejects.toMatchObject({
      code: 'CDC_STATE_INVALID',
      message: expect.stringContaining('0.10.4'),
    })
  })

  it('is refused at once when the broker closes the connection over it, and is not told', async () => {
    await opened(broker => {
      setImmediate(() => broker.emit('close', new Error('NOT_ALLOWED')))
      return new Promise(() => {})
    })
    const error = await publisher.updateSecret('s3cret', 'renewed').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'CDC_BROKER_UNAVAILABLE', message: expect.stringContaining('NOT_ALLOWED') })
    expect(String(error)).not.toContain('s3cret')
  })

  it('is not waited for without end', async () => {
    await opened(() => new Promise(() => {}))
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const given = expect(publisher.updateSecret('s3cret', 'renewed')).rejects.toMatchObject({ retryable: true })
    await vi.advanceTimersByTimeAsync(10_000)
    await given
  })

  it('is needed, and so is a reason', async () => {
    await opened(async () => {})
    await expect(publisher.updateSecret('', 'renewed')).rejects.toMatchObject({ code: 'CDC_OPTION_INVALID' })
    await expect(publisher.updateSecret('s3cret', '')).rejects.toMatchObject({ code: 'CDC_OPTION_INVALID' })
  })
})
