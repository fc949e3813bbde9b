import { hasDocument } from '../deferred-document.js'
import { type DocumentImage, markImage } from '../document-image.js'
import type { Reader } from './reader.js'
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
      for (const { event } of batch.events) {
        if (event.operationType === 'update' && hasDocument(event, 'fullDocument')) markImage(event, image)
      }
      return batch
    },
  }
}
