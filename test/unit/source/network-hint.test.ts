import { MongoNetworkError } from 'mongodb'
import { expect, it } from 'vitest'
import { classifySourceError } from '../../../src/source/classify-error.js'

/** As the driver throws it when its time for finding a server is over. */
function selectionError(message: string, setName: string | null, servers: readonly string[]): Error {
  const reason = { setName, servers: new Map(servers.map(server => [server, { error: null }])) }
  return Object.assign(new Error(message), { name: 'MongoServerSelectionError', reason })
}

it('tells that no server is of the replica set of that name, which the driver only shows as a time-out', () => {
  const wrong = classifySourceError(selectionError('Server selection timed out after 3000 ms', 'rs9', []))
  expect(wrong).toMatchObject({ action: 'retry', error: { code: 'CDC_SOURCE_UNAVAILABLE', retryable: true } })
  expect(wrong.error.hint).toContain('"rs9": check `replicaSet`')
})

it.each([
  ['of a set', 'mongodb://', selectionError('getaddrinfo ENOTFOUND db.invalid', null, ['db.invalid:27017'])],
  ['of a service record', 'mongodb+srv://', new Error('querySrv ENOTFOUND _mongodb._tcp.db.invalid')],
])('tells that a host name is not known: %s', (_, _scheme, thrown) => {
  const { action, error } = classifySourceError(thrown)
  expect([action, error.code]).toEqual(['retry', 'CDC_SOURCE_UNAVAILABLE'])
  expect(error.hint).toContain('DNS')
})

it.each([
  selectionError('connect ECONNREFUSED 127.0.0.1:1', 'rs0', ['127.0.0.1:1']),
  selectionError('Server selection timed out after 3000 ms', null, []),
  new MongoNetworkError('connection 3 to 127.0.0.1:1 closed'),
])('gives no hint where waiting is all there is to do: %s', thrown => {
  expect(classifySourceError(thrown).error.hint).toBeUndefined()
})
