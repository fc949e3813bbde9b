import fc from 'fast-check'
import { BSON } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { checksumOf } from '../../../src/checkpoint/codec.js'
import { fromFile, toFile } from '../../../src/checkpoint/file-format.js'
import { isCdcError } from '../../../src/errors.js'
import type { Checkpoint } from '../../../src/types.js'
import { checkpoint, eventPosition, expectSame } from './contract.js'

const bytes = toFile(BSON, checkpoint({ position: { ...eventPosition(), origin: { deployment: 'rs0', watch: 'x' } } }))
const read = (file: Buffer): Checkpoint => fromFile(BSON, file, 'the file')

/** The code of the error, or `undefined` where the bytes were accepted. */
function refusal(file: Buffer): string | undefined {
  try {
    read(file)
    return undefined
  } catch (error) {
    if (!isCdcError(error)) throw error
    return error.code
  }
}

/** A file with a right checksum whatever it says. */
function forged(fields: unknown): Buffer {
  const text = BSON.EJSON.stringify(fields as object, { relaxed: false })
  return Buffer.from(`${text.slice(0, -1)},"checksum":"${checksumOf(text)}"}\n`)
}

describe('a checkpoint file', () => {
  it('is one line of JSON that people can read', () => {
    expect(bytes.toString()).toMatch(
      /^\{"v":.*"name":"orders","position":\{"kind":"event",.*"checksum":"[0-9a-f]{64}"\}\n$/,
    )
    expect(JSON.parse(bytes.toString())).toMatchObject({
      position: { clusterTime: { $timestamp: { t: 1_772_366_400 } } },
    })
  })

  it('is the same bytes for the same checkpoint', () => {
    expect(toFile(BSON, read(bytes)).equals(bytes)).toBe(true)
  })

  it('is refused with any one bit flipped', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      expect(refusal(flipped)).toBe('CDC_CHECKPOINT_CORRUPT')
    }
  })

  it('is refused when cut off anywhere', () => {
    for (let length = 0; length < bytes.length; length++) {
      expect(refusal(bytes.subarray(0, length))).toBe('CDC_CHECKPOINT_CORRUPT')
      expect(refusal(bytes.subarray(bytes.length - length))).toBe('CDC_CHECKPOINT_CORRUPT')
    }
  })

  it('is refused with bytes replaced, inserted or removed', () => {
    const at = fc.nat({ max: bytes.length })
    fc.assert(
      fc.property(at, fc.nat({ max: 3 }), fc.uint8Array({ maxLength: 3 }), (from, cut, put) => {
        const changed = Buffer.concat([bytes.subarray(0, from), put, bytes.subarray(from + cut)])
        fc.pre(!changed.equals(bytes))
        expect(refusal(changed)).toBe('CDC_CHECKPOINT_CORRUPT')
      }),
      { numRuns: 2_000 },
    )
  })

  it('gives back every position that it takes, to the last BSON type', () => {
    const uint32 = fc.nat({ max: 2 ** 32 - 1 })
    const token = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.double({ noNaN: true }), fc.boolean()), {
      minKeys: 1,
    })
    const safe = token.filter(value => Object.keys(value).every(key => !/[$\0]|^_data$|^__proto__$/.test(key)))
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        uint32,
        safe,
        (name, t, i, value) => {
          const saved = checkpoint({ name, position: { kind: 'event', clusterTime: { t, i }, token: value } })
          expectSame(read(toFile(BSON, saved)), saved)
        },
      ),
    )
  })

  it.each<[string, object]>([
    ['no fields', {}],
    ['an unknown version', { v: 0 }],
    ['no name', { name: '' }],
    ['no position', { position: null }],
    ['an unknown kind', { position: { ...stored().position, kind: 'now' } }],
    ['no token', { position: { ...stored().position, token: undefined } }],
    ['null for a token', { position: { ...stored().position, token: null } }],
    ['an empty token', { position: { ...stored().position, token: {} } }],
    ['an empty token of the server', { position: { ...stored().position, token: { _data: '' } } }],
    ['no token at a mark', { position: { ...stored().position, kind: 'highWaterMark', token: {} } }],
    ['a token of another time', { position: { ...stored().position, token: { _data: '8265F00000000000012B04' } } }],
    ['a cut token', { position: { ...stored().position, token: { _data: '8265F0' } } }],
    ['a cluster time of no kind', { position: { ...stored().position, clusterTime: { t: 1, i: 1 } } }],
    ['a cluster time of zero', { position: { kind: 'time', clusterTime: new BSON.Timestamp({ t: 0, i: 0 }) } }],
    ['no date', { savedAt: 'yesterday' }],
    ['half an origin', { position: { ...stored().position, origin: { deployment: 'rs0' } } }],
  ])('is refused with %s, although its checksum fits', (what, change) => {
    const fields = what === 'no fields' ? change : { ...stored(), ...change }
    expect(refusal(forged(fields))).toBe('CDC_CHECKPOINT_CORRUPT')
  })

  it('is accepted with a checksum made by hand, if all is right', () => {
    expectSame(read(forged(stored())), checkpoint())
  })

  it('of a later version is refused with a hint of its own', () => {
    const hint = expect.objectContaining({
      code: 'CDC_CHECKPOINT_CORRUPT',
      hint: expect.stringContaining('run that version or a later one'),
    })
    expect(() => read(forged({ ...stored(), v: 2 }))).toThrow(hint)
    expect(() => read(Buffer.from('{"v":2,"whatever":true}\n'))).toThrow(hint)
  })

  it('is never quoted in an error: tokens hold document ids', () => {
    const cut = Buffer.from(bytes.subarray(0, -10))
    expect(() => read(cut)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('2B042C') }))
  })
})

describe('a checkpoint that could not be read back', () => {
  it.each<[string, Partial<Checkpoint>]>([
    ['without token', { position: { kind: 'event', clusterTime: { t: 1, i: 1 } } }],
    ['with a cluster time out of range', { position: { kind: 'time', clusterTime: { t: 2 ** 32, i: 0 } } }],
    ['with a cluster time of NaN', { position: { kind: 'time', clusterTime: { t: 1, i: Number.NaN } } }],
    ['with a token of another time', { position: { ...eventPosition(), clusterTime: { t: 1_772_366_400, i: 8 } } }],
    ['without name', { name: '' }],
    ['without date', { savedAt: new Date(Number.NaN) }],
  ])('is refused on saving: %s', (_, change) => {
    expect(() => toFile(BSON, checkpoint(change))).toThrow(
      expect.objectContaining({ code: 'CDC_CHECKPOINT_FAILED', retryable: false }),
    )
  })
})

function stored(): { v: number; name: string; position: Record<string, unknown>; savedAt: Date } {
  const { clusterTime, token } = eventPosition()
  return {
    v: 1,
    name: 'orders',
    position: { kind: 'event', clusterTime: new BSON.Timestamp({ t: clusterTime.t, i: clusterTime.i }), token },
    savedAt: checkpoint().savedAt,
  }
}
