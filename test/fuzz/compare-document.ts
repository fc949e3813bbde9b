import { BSON } from 'mongodb'
import { DeferredDocument, type DocumentDecoder } from '../../src/deferred-document.js'
import { type EjsonMode, ejsonText } from '../../src/message/ejson-encoder.js'
import { ejsonBody } from '../../src/message/message-body.js'
import { decodeDocument } from '../../src/source/decode-document.js'
import { documentedText } from './documented.js'

/** Two ways from the same document that have come to different ends. */
export interface Mismatch {
  readonly what: string
  readonly decoded: string
  readonly other: string
}

/** What decodes the documents of the source, by whether numbers keep their types. */
const promoting = decoderOf(true)
const exact = decoderOf(false)

function decoderOf(promoteValues: boolean): DocumentDecoder {
  const decode = (bytes: Uint8Array): object => decodeDocument(bytes, BSON.deserialize, promoteValues)
  return { exactTypes: !promoteValues, decode }
}

/**
 * Writes the document in both modes, and compares to the byte: bytes → JSON, as a field and as the whole body, with
 * bytes → object → JSON, and that with the BSON library's own EJSON.
 */
export function compareDocument(bytes: Buffer): Mismatch | undefined {
  const objects = { promoted: promoting.decode(bytes), exact: exact.decode(bytes) }
  // With a Symbol for `$ref` or `$db` a document is a DBRef only when symbols are promoted to strings.
  const promotable = !bytes.includes('\x0e$ref\0') && !bytes.includes('\x0e$db\0')
  return (
    compareWays('relaxed', objects.promoted, {
      ...untouched(bytes, 'relaxed', promoting),
      ...(promotable && { 'decoded with exact types': () => ejsonText(objects.exact, 'relaxed') }),
    }) ?? compareWays('canonical', objects.exact, untouched(bytes, 'canonical', exact))
  )
}

type Ways = Readonly<Record<string, () => string>>

function untouched(bytes: Buffer, mode: EjsonMode, decoder: DocumentDecoder): Ways {
  const unread = (): DeferredDocument => new DeferredDocument(bytes, decoder)
  return {
    'untouched, as a field': () =>
      ejsonBody({ fields: [['d', unread()]] }, mode)
        .subarray('{"d":'.length, -1)
        .toString('latin1'),
    'untouched, as the body': () =>
      ejsonBody({ spread: { document: unread(), without: [] }, fields: [] }, mode).toString('latin1'),
  }
}

function compareWays(mode: EjsonMode, object: object, ways: Ways): Mismatch | undefined {
  const decoded = textOf(() => ejsonText(object, mode))
  const bytes = Buffer.from(decoded).toString('latin1')
  const others = { ...ways, 'the BSON library': () => documentedText(object, mode) }
  for (const [name, way] of Object.entries(others)) {
    const text = textOf(way)
    const isBytes = name.startsWith('untouched')
    if (text === (isBytes ? bytes : decoded)) continue
    const other = isBytes ? Buffer.from(text, 'latin1').toString() : text
    return { what: `${mode}: decoded, and ${name}`, decoded, other }
  }
  return undefined
}

function textOf(way: () => string): string {
  try {
    return way()
  } catch (error) {
    return `threw ${error}`
  }
}
