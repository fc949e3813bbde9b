import { describe, expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { cloudEventMessage } from '../../../src/message/cloud-event-message.js'
import { documentMessage } from '../../../src/message/document-message.js'
import { ejsonEncoder } from '../../../src/message/encoding.js'
import { needsOf } from '../../../src/needs.js'
import { pipe } from '../../../src/transform/pipe.js'
import type { Encoder } from '../../../src/types.js'
import * as events from './events.js'

const shapes = [
  ['changeEventMessage', changeEventMessage],
  ['documentMessage', documentMessage],
  ['cloudEventMessage', cloudEventMessage],
] as const

const bytes: Encoder = { contentType: 'application/x-mine', encode: () => Uint8Array.of(1, 2, 3) }
const failing = (encode: Encoder['encode']): Encoder => ({ contentType: 'application/x-mine', encode })

describe.each(shapes)('option `encoder` of %s', (_, shape) => {
  it('writes the body and names its content type and encoding', () => {
    const message = shape({ encoder: { ...bytes, contentEncoding: 'zstd' } })(events.insertEvent)
    expect(message).toMatchObject({ contentType: 'application/x-mine', contentEncoding: 'zstd' })
    expect(message?.body).toEqual(Uint8Array.of(1, 2, 3))
  })
  it('gets the fields of the body in order', () => {
    const seen: string[][] = []
    const encode = (body: ReadonlyMap<string, unknown>) => {
      seen.push([...body.keys()])
      return new Uint8Array()
    }
    shape({ encoder: failing(encode) })(events.insertEvent)
    const expected =
      shape === documentMessage
        ? ['status', 'total', 'at', 'type', 'entry_id']
        : ['operationType', 'ns', 'documentKey', 'fullDocument', 'clusterTime', 'wallTime']
    expect(seen).toEqual([expected])
  })
  it.each([
    ['undefined', undefined],
    ['null', null],
    ['a string', 'bytes'],
    ['an array', [1, 2]],
    ['an object', new ArrayBuffer(3)],
    ['a promise', Promise.resolve(Uint8Array.of(1))],
  ])('fails the event when it returns %s, and says what it got', (got, result) => {
    const transform = shape({ encoder: failing(() => result as never) })
    expect(() => transform(events.insertEvent)).toThrow(
      expect.objectContaining({
        code: 'CDC_ENCODE_FAILED',
        message: `Expected \`encoder.encode\` to return a Uint8Array, got ${got}`,
      }),
    )
  })
  it('fails the event with what it throws as cause, and tries it again only if the error says so', () => {
    for (const retryable of [false, true]) {
      const cause = Object.assign(new Error('no schema'), { retryable })
      const transform = shape({
        encoder: failing(() => {
          throw cause
        }),
      })
      expect(() => transform(events.insertEvent)).toThrow(
        expect.objectContaining({ code: 'CDC_ENCODE_FAILED', cause, retryable }),
      )
    }
  })
  it('is refused together with `ejson`', () => {
    expect(() => shape({ ejson: 'relaxed', encoder: bytes })).toThrow(
      expect.objectContaining({
        code: 'CDC_OPTION_INVALID',
        message: 'Expected one of `ejson` and `encoder`, got both',
      }),
    )
  })
  it.each([
    ['no object', 5],
    ['no method', { contentType: 'a/b' }],
    ['no content type', { encode: bytes.encode }],
    ['an empty content type', { ...bytes, contentType: '' }],
    ['a content type over 255 bytes', { ...bytes, contentType: 'x'.repeat(256) }],
    ['an empty content encoding', { ...bytes, contentEncoding: '' }],
    ['needs that are no yes or no', { ...bytes, needsExactTypes: 'yes' }],
  ])('is refused with %s', (_, encoder) => {
    expect(() => shape({ encoder: encoder as unknown as Encoder })).toThrow(
      expect.objectContaining({ code: 'CDC_OPTION_INVALID' }),
    )
  })
  it('tells the pipeline that it needs exact types, also from within a pipe', () => {
    const exact = shape({ encoder: { ...bytes, needsExactTypes: true } })
    expect(needsOf(exact)).toEqual({ exactTypes: true })
    expect(needsOf(pipe(exact))).toEqual({ exactTypes: true })
    expect(needsOf(shape({ encoder: bytes }))).toEqual({ exactTypes: false })
  })
})

describe('ejsonEncoder', () => {
  it.each(['relaxed', 'canonical'] as const)('writes what the option `ejson: %s` writes', mode => {
    const encoded = changeEventMessage({ encoder: ejsonEncoder({ mode }) })
    const short = changeEventMessage({ ejson: mode })
    expect(encoded(events.transactionEvent)).toEqual(short(events.transactionEvent))
    expect(needsOf(encoded)).toEqual(needsOf(short))
  })
  it('is relaxed by itself, and knows no other mode or option', () => {
    expect(changeEventMessage({ encoder: ejsonEncoder() })(events.insertEvent)).toEqual(
      changeEventMessage()(events.insertEvent),
    )
    expect(() => ejsonEncoder({ mode: 'strict' as 'relaxed' })).toThrow(/"relaxed", "canonical"/)
    expect(() => ejsonEncoder({ ejson: 'relaxed' } as object)).toThrow(/Unknown option/)
  })
})
