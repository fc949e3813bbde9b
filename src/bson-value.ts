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

/** What the BSON library makes of every embedded document that has `$ref` and `$id`. */
export interface DbRefLike {
  readonly _bsontype: 'DBRef'
  readonly collection: string
  readonly oid: unknown
  readonly db?: string
  readonly fields?: object
}

/** The fields of a DBRef as the document that it was. */
export function dbRefFields(ref: DbRefLike): Map<string, unknown> {
  const fields = new Map<string, unknown>([
    ['$ref', ref.collection],
    ['$id', ref.oid],
  ])
  if (ref.db) fields.set('$db', ref.db)
  for (const [name, value] of Object.entries(ref.fields ?? {})) fields.set(name, value)
  return fields
}
