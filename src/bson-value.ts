/** On the prototype of every class of the BSON library from its major 5. A document can't hold a symbol. */
const BSON_VERSION = Symbol.for('@@mdb.bson.version')

/**
 * The type of a value of the BSON library, of any copy of it; `undefined` for all else. A document of a user may have a
 * field `_bsontype`, and a transform may have made it the prototype of another one: only the symbol tells a real
 * instance.
 */
export function bsonTypeOf(value: object): string | undefined {
  if (!(BSON_VERSION in value) || Object.hasOwn(value, '_bsontype')) return undefined
  return (value as { readonly _bsontype?: string })._bsontype
}
