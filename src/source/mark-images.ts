import { hasDocument } from '../deferred-document.js'
import { type DocumentImage, markImage } from '../document-image.js'
import type { ChangeEvent, RawEvent, Reader } from './reader.js'
import type { ResolvedOptions } from './source-options.js'

/**
 * A reader whose updates say of which moment their document is. Inserts and replacements carry theirs themselves,
 * whatever the source asks for.
 */
export function markImages(reader: Reader, fullDocument: ResolvedOptions['fullDocument']): Reader {
  if (fullDocument === 'default') return reader
  const image: DocumentImage = fullDocument === 'updateLookup' ? 'looked-up' : 'stored'
  return {
    close: () => reader.close(),
    async nextBatch(maxTimeMs) {
      const batch = await reader.nextBatch(maxTimeMs)
      return { ...batch, events: batch.events.map(raw => new MarkedEvent(raw, image)) }
    },
  }
}

/** Marked when it is first read, since it is decoded only then. */
class MarkedEvent implements RawEvent {
  readonly size: number
  readonly id: string | undefined
  readonly oversized: RawEvent['oversized']
  readonly #raw: RawEvent
  readonly #image: DocumentImage
  #event: ChangeEvent | undefined

  constructor(raw: RawEvent, image: DocumentImage) {
    this.size = raw.size
    this.id = raw.id
    this.oversized = raw.oversized
    this.#raw = raw
    this.#image = image
  }

  get event(): ChangeEvent {
    if (this.#event === undefined) {
      const { event } = this.#raw
      if (event.operationType === 'update' && hasDocument(event, 'fullDocument')) markImage(event, this.#image)
      this.#event = event
    }
    return this.#event
  }
}
