import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SourceError } from '../../../src/errors.js'
import { assertUsable, compareTimes, isToken, positionOf, timeOfToken } from '../../../src/source/position.js'
import type { Position } from '../../../src/types.js'
import { origin, token } from './support.js'

const here = { origin, now: { t: 1000, i: 1 } }
const codeOf = (position: unknown): string | undefined => {
  try {
    assertUsable(position as Position, here)
    return undefined
  } catch (error) {
    expect(error).toBeInstanceOf(SourceError)
    expect((error as SourceError).hint).toBeTruthy()
    return (error as SourceError).code
  }
}

const uint32 = fc.nat(0xffffffff)

it('reads the cluster time from the head of every token', () => {
  fc.assert(
    fc.property(uint32, uint32, fc.stringMatching(/^[0-9A-F]*$/), (t, i, rest) => {
      const hex = (n: number): string => n.toString(16).padStart(8, '0')
      expect(timeOfToken({ _data: `82${hex(t)}${hex(i)}${rest}` })).toEqual({ t, i })
    }),
  )
})

it('compares times by second, then by counter', () => {
  fc.assert(
    fc.property(uint32, uint32, uint32, uint32, (t, i, u, j) => {
      const wide = (a: number, b: number): bigint => (BigInt(a) << 32n) + BigInt(b)
      const sign = wide(t, i) < wide(u, j) ? -1 : wide(t, i) > wide(u, j) ? 1 : 0
      expect(compareTimes({ t, i }, { t: u, i: j })).toBe(sign)
    }),
  )
})

it('tells the mark of a server from the token of an event', () => {
  expect(positionOf(token(5), origin).kind).toBe('highWaterMark')
  expect(positionOf(token(5, 1), origin).kind).toBe('event')
  const ofMongo7 = { _data: '82661F3C8A000000012B0429296E1404' }
  expect(positionOf(ofMongo7, origin).kind).toBe('highWaterMark')
  const dropDatabase = { _data: '82661F3C8A000000012B022C0100296E04' }
  expect(positionOf(dropDatabase, origin).kind).toBe('event')
  expect(positionOf(token(5), origin).clusterTime).toEqual({ t: 5, i: 1 })
})

it.each([undefined, null, {}, '', { _data: '' }, { _data: 'zz' }, { _data: '82' }, { _data: 5 }, [], 'x'.repeat(40)])(
  'does not take %j for a resume token, which would start at now',
  value => expect(isToken(value)).toBe(false),
)

describe('a saved position', () => {
  const good = positionOf(token(900, 1), origin)

  it('is used when it was read here and lies in the past', () => {
    expect(codeOf(good)).toBeUndefined()
    expect(codeOf(positionOf(token(900), origin))).toBeUndefined()
    expect(codeOf({ kind: 'time', clusterTime: { t: 900, i: 1 } })).toBeUndefined()
  })

  it('is used after the watch has changed, and where the id of the set is not known', () => {
    expect(codeOf({ ...good, origin: { ...origin, watch: 'another' } })).toBeUndefined()
    expect(codeOf({ ...good, origin: { deployment: 'rs0', watch: 'w' } })).toBeUndefined()
    expect(codeOf({ ...good, origin: undefined })).toBeUndefined()
  })

  it('is refused when it comes from another replica set, also from one of the same name', () => {
    expect(codeOf({ ...good, origin: { ...origin, deployment: 'rs1' } })).toBe('CDC_POSITION_FOREIGN')
    expect(codeOf({ ...good, origin: { ...origin, deploymentId: 'b' } })).toBe('CDC_POSITION_FOREIGN')
  })

  it('is refused when it is ahead of the server by more than clocks differ', () => {
    expect(codeOf(positionOf(token(1005), origin))).toBeUndefined()
    expect(codeOf(positionOf(token(1006), origin))).toBe('CDC_POSITION_IN_FUTURE')
    expect(codeOf({ kind: 'time', clusterTime: { t: 5000, i: 1 } })).toBe('CDC_POSITION_IN_FUTURE')
  })

  it('is refused when its token is missing, empty, damaged, or of another time than the one beside it', () => {
    for (const broken of [undefined, null, {}, { _data: '' }, { _data: 'zz' }, { _data: '82' }, token(901, 1)]) {
      expect(codeOf({ ...good, token: broken })).toBe('CDC_POSITION_INVALID')
      expect(codeOf({ ...good, kind: 'highWaterMark', token: broken })).toBe('CDC_POSITION_INVALID')
    }
  })

  it.each([
    undefined,
    null,
    'x',
    {},
    { t: 0, i: 0 },
    { t: -1, i: 1 },
    { t: 900 },
    { i: 1 },
    { t: Number.NaN, i: 1 },
    { t: 900, i: Number.NaN },
    { t: 900.5, i: 1 },
    { t: '900', i: 1 },
    { t: 2 ** 32, i: 1 },
  ])('is refused, never tried again for ever, with the cluster time %j', clusterTime => {
    expect(codeOf({ kind: 'time', clusterTime })).toBe('CDC_POSITION_INVALID')
    expect(codeOf({ kind: 'event', token: token(900, 1), clusterTime })).toBe('CDC_POSITION_INVALID')
  })

  it.each([undefined, null, 7, 'x', [], {}, { kind: 'somewhere', clusterTime: { t: 900, i: 1 } }])(
    'is refused when it is %j',
    position => expect(codeOf(position)).toBe('CDC_POSITION_INVALID'),
  )

  it('never passes with a flipped bit in the time of its token', () => {
    fc.assert(
      fc.property(fc.nat(63), bit => {
        const digit = 2 + Math.floor(bit / 4)
        const data = [...token(900, 1)._data]
        data[digit] = (Number.parseInt(data[digit] as string, 16) ^ (1 << (bit % 4))).toString(16).toUpperCase()
        expect(codeOf({ ...good, token: { _data: data.join('') } })).toBe('CDC_POSITION_INVALID')
      }),
    )
  })
})
