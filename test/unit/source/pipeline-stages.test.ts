import { expect, it } from 'vitest'
import { keepsKey } from '../../../src/source/pipeline-stages.js'

it.each([
  [[]],
  [[{ $match: { 'documentKey._id': 1 } }, { $unset: ['fullDocument.card', 'ns'] }, { $redact: '$$KEEP' }]],
  [[{ $project: { documentKey: 1, ns: true } }, { $project: { 'ns.coll': 0 } }]],
  [[{ $set: { documentKeys: 1, nsx: 2, 'fullDocument.ns': 3 } }]],
])('a document can be found by the key that these stages leave: %j', pipeline => {
  expect(keepsKey(pipeline)).toBe(true)
})

it.each([
  [[{ $set: { documentKey: { _id: 1 } } }]],
  [[{ $addFields: { 'documentKey._id': 1 } }]],
  [[{ $project: { documentKey: '$fullDocument' } }]],
  [[{ $match: {} }, { $set: { 'ns.coll': 'x' } }]],
  [[{ $replaceRoot: { newRoot: '$$ROOT' } }]],
  [[{ $replaceWith: '$$ROOT' }]],
])('another document might be found by the key that these stages make: %j', pipeline => {
  expect(keepsKey(pipeline)).toBe(false)
})
