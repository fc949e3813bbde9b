import { BSON } from 'mongodb'
import { expect, it } from 'vitest'
import { bsonTypeOf } from '../../src/bson-value.js'

it('tells the type of the values of the BSON library', () => {
  const values = [new BSON.ObjectId(), new BSON.Long(1), new BSON.Int32(1), new BSON.MinKey(), new BSON.UUID()]
  expect(values.map(bsonTypeOf)).toEqual(['ObjectId', 'Long', 'Int32', 'MinKey', 'Binary'])
})

it.each([
  [{}],
  [{ _bsontype: 'Long' }],
  [Object.create({ _bsontype: 'Long' })],
  [Object.defineProperty(new BSON.Long(1), '_bsontype', { value: 'Int32' })],
  [new Date()],
  [[]],
  [Object.create(null)],
])('takes all else for data: %j', value => expect(bsonTypeOf(value)).toBeUndefined())
