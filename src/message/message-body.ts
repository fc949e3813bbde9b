import { ByteWriter, viewOf } from '../byte-writer.js'
import { DeferredDocument } from '../deferred-document.js'
import { type Transcoding, writeDocument, writeFields } from './bson-to-ejson.js'
import { documentFields, type EjsonMode, fieldText, quoted } from './ejson-encoder.js'

/** The body of a message before it is encoded. */
export interface MessageBody {
  /** A document whose fields come first, but for those of the names that are left out. */
  readonly spread?: { readonly document: DeferredDocument; readonly without: readonly string[] } | undefined
  /** Fields in their order. A document that nobody has read is a {@link DeferredDocument}. */
  readonly fields: Iterable<readonly [string, unknown]>
}

/** The fields of the body with everything decoded. A Map, since names come from data: `__proto__` is one of them. */
export function decodedBody({ spread, fields }: MessageBody): Map<string, unknown> {
  const body = new Map<string, unknown>()
  if (spread) {
    for (const [name, value] of documentFields(spread.document.document)) {
      if (!spread.without.includes(name)) body.set(name, value)
    }
  }
  for (const [name, value] of fields) body.set(name, value instanceof DeferredDocument ? value.document : value)
  return body
}

// Scratch: what is taken from it is a copy.
const writer = new ByteWriter()

/**
 * The body in Extended JSON: what nobody has read goes from bytes to bytes.
 *
 * @throws TransformError `CDC_ENCODE_FAILED`, see `ejsonBytes`
 */
export function ejsonBody(body: MessageBody, mode: EjsonMode): Buffer {
  const { spread, fields } = body
  if (spread !== undefined && !isTranscodable(spread.document, mode)) {
    return ejsonBody({ fields: decodedBody(body) }, mode)
  }
  writer.begin('{')
  if (spread !== undefined) {
    const walk = walkOf(spread.document, mode)
    if (!writeFields(spread.document.bytes, 0, walk, spread.without))
      return ejsonBody({ fields: decodedBody(body) }, mode)
  }
  let text = ''
  for (const [name, value] of fields) {
    if (writer.at > 1 || text !== '') text += ','
    if (value instanceof DeferredDocument && isTranscodable(value, mode)) {
      writer.text(`${text}${quoted(name)}:`)
      text = ''
      writeDocument(value.bytes, 0, walkOf(value, mode))
    } else text += fieldText(name, value instanceof DeferredDocument ? value.document : value, mode)
  }
  writer.text(`${text}}`)
  return writer.take()
}

function walkOf({ bytes, decoder }: DeferredDocument, mode: EjsonMode): Transcoding {
  return { writer, view: viewOf(bytes), mode, decode: decoder.decode }
}

/** An object whose numbers have lost their types is written in another way than its bytes. */
function isTranscodable({ decoder }: DeferredDocument, mode: EjsonMode): boolean {
  return mode === 'relaxed' || decoder.exactTypes
}
