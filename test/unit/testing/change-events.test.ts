import { BSON, ObjectId, Timestamp } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { documentMessage } from '../../../src/message/document-message.js'
import { isToken, timeOfToken } from '../../../src/source/position.js'
import { bodyOf, changeEvents, resumeToken } from '../../../src/testing/index.js'

const _id = new ObjectId('0123456789abcdef01234567')

describe('the change events for tests', () => {
  it('have the fields of the server in its order', () => {
    const events = changeEvents()
    const head = ['_id', 'operationType', 'clusterTime', 'wallTime']
    expect(Object.keys(events.insert({ _id }))).toEqual([...head, 'fullDocument', 'ns', 'documentKey'])
    expect(Object.keys(events.update(_id, { set: { a: 1 }, before: { _id } }))).toEqual([
      ...head,
      'ns',
      'documentKey',
      'updateDescription',
      'fullDocumentBeforeChange',
    ])
    expect(Object.keys(events.delete(_id))).toEqual([...head, 'ns', 'documentKey'])
    expect(Object.keys(events.drop())).toEqual([...head, 'ns'])
    expect(Object.keys(events.rename('old'))).toEqual([...head, 'ns', 'to'])
    expect(Object.keys(events.dropDatabase())).toEqual([...head, 'ns'])
    expect(Object.keys(events.invalidate())).toEqual(head)
  })

  it('have tokens that grow as texts, as those of the server, and name their cluster time', () => {
    const events = changeEvents<{ _id: unknown }>()
    const made = [events.insert({ _id }), events.update(1), events.delete('a'), events.drop(), events.invalidate()]
    const tokens = made.map(event => (event._id as { _data: string })._data)
    expect([...tokens].sort()).toEqual(tokens)
    expect(tokens.every(_data => isToken({ _data }))).toBe(true)
    expect(made.map(({ _id }) => timeOfToken(_id as { _data: string }).i)).toEqual([1, 2, 3, 4, 5])
    expect(made.map(event => event.clusterTime?.i)).toEqual([1, 2, 3, 4, 5])
  })

  it('are the same each time', () => {
    const make = (): unknown => JSON.stringify(changeEvents().update(7, { set: { a: 1 }, fullDocument: null }))
    expect(make()).toBe(make())
  })

  it('carry what the update did, and an image that was gone', () => {
    const update = {
      set: { 'a.b': 1 },
      unset: ['c'],
      truncatedArrays: [{ field: 'd', newSize: 2 }],
      fullDocument: null,
    }
    expect(changeEvents().update(7, update)).toMatchObject({
      documentKey: { _id: 7 },
      fullDocument: null,
      updateDescription: {
        updatedFields: { 'a.b': 1 },
        removedFields: ['c'],
        truncatedArrays: [{ field: 'd', newSize: 2 }],
      },
    })
  })

  it('share time, session and number in a transaction, and keep ids of their own', () => {
    const events = changeEvents<{ _id: number }>()
    const [a, b] = events.transaction([events.insert({ _id: 1 }), events.insert({ _id: 2 })])
    expect(a?.clusterTime).toBe(b?.clusterTime)
    expect(a).toMatchObject({ txnNumber: 1, lsid: b?.lsid })
    expect(a?._id).not.toEqual(b?._id)
  })

  it('become messages in both shapes', () => {
    const event = changeEvents({ database: 'd', collection: 'c' }).insert({ _id, total: 1 })
    const document = documentMessage()(event)
    expect(document && bodyOf(document)).toEqual({ total: 1, type: 'c', entry_id: _id.toHexString() })
    const change = changeEventMessage({ routingKey: '{db}.{coll}.{operation}' })(event)
    expect(change.routingKey).toBe('d.c.insert')
    expect(change.headers).toMatchObject({ 'x-cdc-cluster-time': '1767225600.0000000001' })
    expect(bodyOf(change)).toMatchObject({ clusterTime: { $timestamp: { t: 1767225600, i: 1 } } })
  })

  it('go through the BSON library as those of the driver do', () => {
    const { clusterTime } = BSON.deserialize(BSON.serialize(changeEvents().insert({ _id })))
    expect(clusterTime).toEqual(new Timestamp({ t: 1767225600, i: 1 }))
  })

  it('refuse a document without `_id`: no stored one is', () => {
    expect(() => changeEvents().insert({ total: 1 })).toThrow(/`_id`/)
  })
})

describe('the resume token for tests', () => {
  it('sorts by time first', () => {
    const at = (t: number, i: number): string => resumeToken({ clusterTime: { t, i }, id: 'z' })._data
    expect(at(1, 2) < at(1, 10) && at(1, 10) < at(2, 0) && at(2, 0) < at(2 ** 31, 0)).toBe(true)
  })
})
