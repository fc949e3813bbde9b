import { Timestamp } from 'mongodb'
import { expect, it } from 'vitest'
import type { Deployment } from '../../../src/source/deployment.js'
import { nowOf, originOf, startOf } from '../../../src/source/start-position.js'
import { compileWatch } from '../../../src/source/watch.js'
import { resolved, token } from './support.js'

const deployment: Deployment = {
  name: 'rs0',
  id: 'a',
  sharded: false,
  server: 'h:1',
  operationTime: { t: 100, i: 7 },
  now: { t: 105, i: 7 },
}
const watch = compileWatch(resolved(), [])
const origin = { deployment: 'rs0', deploymentId: 'a', watch: watch.digest }

it('starts right behind the newest operation of the server when nothing else is said', () => {
  const expected = { kind: 'time', clusterTime: { t: 100, i: 8 }, origin }
  expect(startOf(resolved(), deployment, watch)).toEqual(expected)
  expect(nowOf(deployment, watch)).toEqual(expected)
})

it('starts at a date, with everything of its second', () => {
  const startAtOperationTime = new Date(50_999)
  expect(startOf(resolved({ startAtOperationTime }), deployment, watch).clusterTime).toEqual({ t: 50, i: 0 })
})

it('starts exactly at a timestamp', () => {
  const startAtOperationTime = new Timestamp({ t: 50, i: 3 })
  const position = startOf(resolved({ startAtOperationTime }), deployment, watch)
  expect(position).toEqual({ kind: 'time', clusterTime: { t: 50, i: 3 }, origin })
})

it('starts after a token, and knows which kind it is', () => {
  const event = startOf(resolved({ startAfter: token(50, 1) }), deployment, watch)
  expect(event).toEqual({ kind: 'event', clusterTime: { t: 50, i: 1 }, token: token(50, 1), origin })
  expect(startOf(resolved({ startAfter: token(50) }), deployment, watch).kind).toBe('highWaterMark')
})

it('says nothing of an id that the user may not read', () => {
  expect(originOf({ ...deployment, id: undefined }, watch)).toEqual({ deployment: 'rs0', watch: watch.digest })
})
