import { expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { recordsOf } from '../../../src/source/records.js'
import { batch, event, origin, start, token } from './support.js'

const recordOf = (fields: object) => recordsOf({ events: [event(5, fields)] }, start, origin)[0]

it('gives each event its own position, id, key, size and time', () => {
  const [first, second] = recordsOf(batch(5, 6), start, origin)
  expect(first).toMatchObject({ id: token(5, 5)._data, size: 100, time: 5000, key: expect.stringContaining('d.c/') })
  expect(first?.position).toEqual({ kind: 'event', clusterTime: { t: 5, i: 1 }, token: token(5, 5), origin })
  expect(second?.key).not.toBe(first?.key)
})

it('takes the time of the change from the server where it tells it', () => {
  expect(recordOf({ wallTime: new Date(4321) })?.time).toBe(4321)
})

it('adds a mark as a record without event, but only where the position moves', () => {
  const mark = token(9)
  const read = { ...batch(5), highWaterMark: mark }
  const records = recordsOf(read, start, origin)
  expect(records.map(record => record.position.kind)).toEqual(['event', 'highWaterMark'])
  expect(Object.keys(records[1] ?? {})).toEqual(['position'])
  expect(recordsOf({ ...batch(5), highWaterMark: token(5, 5) }, start, origin)).toHaveLength(1)
  const before = records[1]?.position ?? start
  expect(recordsOf({ ...batch(), highWaterMark: mark }, before, origin)).toEqual([])
})

it.each([
  ['of a dropped collection', { operationType: 'drop', documentKey: undefined }],
  ['of a dropped database', { operationType: 'dropDatabase', ns: { db: 'd' }, documentKey: undefined }],
  ['of an invalidate', { operationType: 'invalidate', ns: undefined, documentKey: undefined }],
  ['without an id, projected away', { documentKey: {} }],
  ['without a namespace, projected away', { ns: undefined }],
  ['without its own id', { documentKey: Object.create({ _id: 5 }) }],
])('gives no key to an event %s: it is a barrier', (_, fields) => {
  expect(recordOf(fields)).not.toHaveProperty('key')
})

it('takes an operation and fields that only a later server knows for an event like any other', () => {
  const fields = {
    operationType: 'moveSomewhere',
    ns: { db: 'd', coll: 'c' },
    documentKey: undefined,
    whereTo: 'there',
  }
  const record = recordOf(fields)
  expect(record).toMatchObject({ id: token(5, 5)._data, event: { operationType: 'moveSomewhere', whereTo: 'there' } })
  const message = changeEventMessage()(record?.event as never) as { body: Uint8Array; headers: object }
  expect(JSON.parse(Buffer.from(message.body).toString())).toMatchObject({ whereTo: 'there' })
  expect(message.headers).toMatchObject({ 'x-cdc-operation': 'moveSomewhere' })
})
