import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { compress } from '../../../src/message/compress.js'
import { pipe } from '../../../src/transform/pipe.js'
import type { RabbitMessage } from '../../../src/types.js'
import * as events from './events.js'

const long: RabbitMessage = {
  body: Buffer.from('{"a":"0123456789"}'.repeat(200)),
  contentType: 'application/json',
  routingKey: 'k',
  headers: { a: 1 },
}

describe('compress', () => {
  it.each([
    ['gzip', 'gzip', gunzipSync],
    ['brotli', 'br', brotliDecompressSync],
    ['deflate', 'deflate', inflateSync],
  ] as const)(
    '%s names the encoding `%s`, gives the same bytes back and keeps the rest',
    async (algorithm, name, open) => {
      const message = await compress({ algorithm })(long)
      expect(message).toEqual({ ...long, body: message.body, contentEncoding: name })
      expect(open(message.body)).toEqual(long.body)
      expect(message.body.byteLength).toBeLessThan(long.body.byteLength / 4)
    },
  )
  it('is gzip from 1024 bytes on by itself; smaller messages stay as they are, without a promise', async () => {
    const of = (length: number): RabbitMessage => ({ body: Buffer.alloc(length) })
    const small = of(1023)
    expect(compress()(small)).toBe(small)
    expect(await compress()(of(1024))).toMatchObject({ contentEncoding: 'gzip' })
    expect(await compress({ thresholdBytes: 10 })(of(1000))).toMatchObject({ contentEncoding: 'gzip' })
  })
  it('leaves alone what would become larger, and what has an encoding already', async () => {
    const random = { body: Uint8Array.from({ length: 40 }, (_, index) => (index * 97) % 256) }
    expect(await compress({ thresholdBytes: 0 })(random)).toBe(random)
    const zstd = { ...long, contentEncoding: 'zstd' }
    expect(compress()(zstd)).toBe(zstd)
  })
  it('follows a shape in a pipe', async () => {
    const transform = pipe(changeEventMessage(), compress({ thresholdBytes: 1 }))
    const message = await transform(events.updateEvent)
    expect(gunzipSync(message.body)).toEqual(changeEventMessage()(events.updateEvent).body)
  })
  it('fails the event when it does not stand behind the shape', () => {
    expect(() => compress()(events.insertEvent as never)).toThrow(
      expect.objectContaining({ code: 'CDC_ENCODE_FAILED', hint: 'put `compress` behind the message shape' }),
    )
  })
  it('refuses other algorithms, thresholds and options', () => {
    expect(() => compress({ algorithm: 'zip' as 'gzip' })).toThrow(/"gzip", "brotli", "deflate"/)
    expect(() => compress({ thresholdBytes: -1 })).toThrow(/`thresholdBytes`/)
    expect(() => compress({ treshold: 1 } as object)).toThrow(/Unknown option/)
  })
})
