/**
 * The BSON library tells its classes by a property `_bsontype`, and refuses a document that has a field of this name.
 * While a document is in its hands such a field has another name: each may have one sign more in front.
 */
const SIGN = '\ue000'
const CLASS_NAME = /^\ue000*_bsontype$/
const HIDDEN = /^\ue000+_bsontype$/

/** Reads JSON whose fields named `_bsontype` are data. @throws SyntaxError */
export function parseHidingClassNames(text: string): unknown {
  return JSON.parse(text, text.includes('_bsontype') ? hide : undefined)
}

function hide(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  if (!Object.keys(value).some(name => CLASS_NAME.test(name))) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => [CLASS_NAME.test(name) ? SIGN + name : name, part]),
  )
}

/** Gives the fields their names back, in place. */
export function showClassNames(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return
  const fields = Object.entries(value)
  for (const [, part] of fields) showClassNames(part)
  if (!fields.some(([name]) => HIDDEN.test(name))) return
  // All of them anew, since they keep their order.
  for (const [name] of fields) Reflect.deleteProperty(value, name)
  for (const [name, part] of fields) {
    const shown = HIDDEN.test(name) ? name.slice(SIGN.length) : name
    Object.defineProperty(value, shown, { value: part, writable: true, enumerable: true, configurable: true })
  }
}
