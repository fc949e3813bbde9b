import { ARRAY, DOCUMENT, endOfName, endOfValue, int32At } from '../../src/bson-layout.js'
import { element, nested, raw, written } from './bson-writer.js'

/** An element of a document, with those in it. */
interface Element {
  readonly type: number
  readonly name: Buffer
  readonly value: Buffer | Element[]
}

/** Takes fields away, at every depth, for as long as what is left `fails`. */
export function shrunk(bytes: Buffer, fails: (bytes: Buffer) => boolean): Buffer {
  const root = elementsOf(bytes)
  while (removeOne(root, () => fails(bytesOf(root))));
  const smaller = bytesOf(root)
  return fails(smaller) ? smaller : bytes
}

function removeOne(elements: Element[], stillFails: () => boolean): boolean {
  for (let i = elements.length - 1; i >= 0; i--) {
    const [removed] = elements.splice(i, 1)
    if (stillFails()) return true
    elements.splice(i, 0, removed as Element)
  }
  return elements.some(({ value }) => !Buffer.isBuffer(value) && removeOne(value, stillFails))
}

function elementsOf(bytes: Buffer): Element[] {
  const elements: Element[] = []
  for (let at = 4; at < int32At(bytes, 0) - 1; ) {
    const type = bytes[at] as number
    const nameEnd = endOfName(bytes, at + 1)
    const end = endOfValue(bytes, type, nameEnd + 1)
    const value = bytes.subarray(nameEnd + 1, end)
    const isNested = type === DOCUMENT || type === ARRAY
    elements.push({ type, name: bytes.subarray(at + 1, nameEnd), value: isNested ? elementsOf(value) : value })
    at = end
  }
  return elements
}

function bytesOf(elements: readonly Element[]): Buffer {
  return written(() => write(elements))
}

function write(elements: readonly Element[]): void {
  nested(() => {
    for (const { type, name, value } of elements) {
      element(type, name)
      if (Buffer.isBuffer(value)) raw(value)
      else write(value)
    }
  })
}
