import { type ChangeStreamDocument, ObjectId, Timestamp } from 'mongodb'

/** Change events of one document, with the parts that a test is about. */

export const _id = new ObjectId('0123456789abcdef01234567')

const common = {
  _id: { _data: '826565E0C0000000012B0229296E04' },
  clusterTime: new Timestamp({ t: 1701175488, i: 1 }),
  ns: { db: 'shop', coll: 'orders' },
  documentKey: { _id },
}

export function insertOf(document: object, more: object = {}): ChangeStreamDocument {
  return { ...common, operationType: 'insert', fullDocument: document, ...more } as never
}

export function updateOf(description: object, more: object = {}): ChangeStreamDocument {
  const updateDescription = { updatedFields: {}, removedFields: [], truncatedArrays: [], ...description }
  return { ...common, operationType: 'update', updateDescription, ...more } as never
}

type Step = (event: ChangeStreamDocument) => ChangeStreamDocument

/** What a step makes of a document. */
export function documentAfter(step: Step, document: object): unknown {
  return (step(insertOf(document)) as { fullDocument?: unknown }).fullDocument
}

/** What a step makes of the description of an update. */
export function descriptionAfter(step: Step, description: object): unknown {
  return (step(updateOf(description)) as { updateDescription?: unknown }).updateDescription
}

/** What a step makes of `updatedFields`, without the rest. */
export function updatedAfter(step: Step, updatedFields: object): unknown {
  return (descriptionAfter(step, { updatedFields }) as { updatedFields: unknown }).updatedFields
}

/** Freezes all plain objects and arrays: whoever changes its input then throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return value
  Object.freeze(value)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
