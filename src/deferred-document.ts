import { inspect } from 'node:util'
import { setField } from './set-field.js'

/**
 * A document of an event, or the description of an update, that nobody has looked at yet: its bytes as the server sent
 * them. It is decoded when a transform reads the field, and from then on the object is the truth; what nobody reads goes
 * from bytes to bytes. To whoever reads, spreads, clones, compares or prints the event, the field looks like any other.
 */
export class DeferredDocument {
  readonly decoder: DocumentDecoder
  #bytes: Buffer
  #decoded: object | undefined

  /** The bytes have to be a copy: a part of the server's reply would hold all of that in memory. */
  constructor(bytes: Buffer, decoder: DocumentDecoder) {
    this.#bytes = bytes
    this.decoder = decoder
  }

  /** As the server sent them; none any more once the document was read. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** Whether the object was handed out, and may have been changed. */
  get read(): boolean {
    return this.#decoded !== undefined
  }

  /** The object, the same each time. */
  get document(): object {
    if (this.#decoded === undefined) {
      this.#decoded = this.decoder.decode(this.#bytes)
      this.#bytes = none
    }
    return this.#decoded
  }
}

const none = Buffer.alloc(0)

/** From bytes to the object that transforms see. */
export interface DocumentDecoder {
  /** Whether numbers keep their BSON types. */
  readonly exactTypes: boolean
  decode(bytes: Uint8Array): object
}

/** The fields that can be deferred. */
export const deferrableFields = ['fullDocument', 'fullDocumentBeforeChange', 'updateDescription'] as const

/** A field that can be deferred. */
export type DeferredField = (typeof deferrableFields)[number]

/** Whether a field of this name can be deferred. */
export function isDeferrable(name: string): name is DeferredField {
  return name === 'fullDocument' || name === 'fullDocumentBeforeChange' || name === 'updateDescription'
}

type Slots = { [slot: symbol]: DeferredDocument | undefined }

/** Where an event keeps the document of a field: not enumerable, so that no copy of the event takes it along. */
const slots = {
  fullDocument: Symbol('fullDocument'),
  fullDocumentBeforeChange: Symbol('fullDocumentBeforeChange'),
  updateDescription: Symbol('updateDescription'),
}

// The same objects for all events, so that they have one hidden class.
const slotDescriptor: PropertyDescriptor = { value: undefined, writable: true, configurable: true }
const accessors = {
  fullDocument: accessor('fullDocument'),
  fullDocumentBeforeChange: accessor('fullDocumentBeforeChange'),
  updateDescription: accessor('updateDescription'),
}

function accessor(field: DeferredField): PropertyDescriptor {
  return {
    get(this: Slots) {
      return this[slots[field]]?.document
    },
    set(this: Slots, value: unknown) {
      Object.defineProperty(this, field, { value, writable: true, configurable: true, enumerable: true })
    },
    configurable: true,
    enumerable: true,
  }
}

/** `util.inspect` and `console.log` would print `[Getter/Setter]`. */
const inspectDescriptor: PropertyDescriptor = {
  value(this: object) {
    return { ...this }
  },
  writable: true,
  configurable: true,
}

/** Adds the document to the event as its next field. */
export function defer(event: object, field: DeferredField, document: DeferredDocument): void {
  Object.defineProperty(event, field, accessors[field])
  Object.defineProperty(event, slots[field], slotDescriptor)
  ;(event as Slots)[slots[field]] = document
  Object.defineProperty(event, inspect.custom, inspectDescriptor)
}

/** The document of the field, as long as nobody has read or replaced it. */
export function deferredIn(event: object, field: DeferredField): DeferredDocument | undefined {
  const document = (event as Slots)[slots[field]]
  if (document === undefined || document.read) return undefined
  return Object.getOwnPropertyDescriptor(event, field)?.get === accessors[field].get ? document : undefined
}

/**
 * As `{ ...event, ...instead }`, but that what nobody has read stays unread: the two share it, and whoever reads it
 * reads it for both.
 */
export function copyEvent(
  event: object,
  instead: { readonly [field in DeferredField]?: DeferredDocument } = {},
): Record<string, unknown> {
  const copy: Record<string | symbol, unknown> = {}
  const fields = event as Readonly<Record<string | symbol, unknown>>
  for (const name of Object.keys(event)) {
    const deferred = isDeferrable(name) ? (instead[name] ?? deferredIn(event, name)) : undefined
    if (deferred) defer(copy, name as DeferredField, deferred)
    else setField(copy, name, fields[name])
  }
  for (const symbol of Object.getOwnPropertySymbols(event)) {
    if (Object.prototype.propertyIsEnumerable.call(event, symbol)) copy[symbol] = fields[symbol]
  }
  return copy
}

/** Whether the event has a document there, without reading it. */
export function hasDocument(event: object, field: DeferredField): boolean {
  return (
    deferredIn(event, field) !== undefined || (event as { readonly [name in DeferredField]?: unknown })[field] != null
  )
}
