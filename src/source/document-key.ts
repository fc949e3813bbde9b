import { bsonTypeOf } from '../bson-value.js'
import { dateMs } from '../date-ms.js'

/**
 * The ordering key of a document: equal for ids that MongoDB takes for equal. All numbers go through one double, since
 * `1`, `Long(1)` and `1.0` are one `_id`; a document keeps the order of its fields. Two ids with the same key only wait
 * for each other without need; two keys for one id would break its order.
 */
export function orderingKey(database: string, collection: string, id: unknown): string {
  return `${database}.${collection}/${keyOf(id)}`
}

/** Structural view of the BSON classes of any major of the driver. */
interface BsonValue {
  readonly sub_type?: number
  readonly buffer?: Uint8Array
  toHexString?(): string
  toString(): string
}

function keyOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `s${value.length}:${value}`
    case 'number':
    case 'bigint':
      return numberKey(Number(value))
    case 'boolean':
      return value ? 'true' : 'false'
    case 'undefined':
      return 'undefined'
  }
  if (value === null) return 'null'
  if (value instanceof Date) return dateKey(value)
  if (value instanceof Uint8Array) return binaryKey(0, value)
  if (Array.isArray(value)) return `[${value.map(keyOf).join()}]`
  const type = bsonTypeOf(value as object)
  if (type !== undefined) return bsonKey(type, value as BsonValue)
  return documentKey(value as Record<string, unknown>)
}

function numberKey(number: number): string {
  return `n${number === 0 ? 0 : number}`
}

function dateKey(date: Date): string {
  const ms = (date as { [dateMs]?: bigint })[dateMs]
  return `d${ms ?? date.getTime()}`
}

function binaryKey(subType: number, bytes: Uint8Array): string {
  return `b${subType}:${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}`
}

function bsonKey(type: string, value: BsonValue): string {
  switch (type) {
    case 'Int32':
    case 'Double':
    case 'Long':
    case 'Decimal128':
      return numberKey(Number(value.toString()))
    case 'ObjectId':
      return `o${value.toHexString?.()}`
    case 'Binary':
    case 'UUID':
      return binaryKey(value.sub_type ?? 0, value.buffer ?? new Uint8Array())
    case 'Timestamp':
      return `t${value.toString()}`
    case 'BSONSymbol':
      return keyOf(value.toString())
    default:
      // Field by field, since a reference or a scope may hold numbers too.
      return `${type}:${documentKey({ ...value })}`
  }
}

function documentKey(document: Record<string, unknown>): string {
  const fields = Object.keys(document).map(name => `${name.length}:${name}=${keyOf(document[name])}`)
  return `{${fields.join()}}`
}
