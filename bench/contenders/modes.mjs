// What this library is asked to do: a transform, and options that aren't the defaults.

import { setTimeout as delay } from 'node:timers/promises'
import {
  addMetadata,
  changeEventMessage,
  documentMessage,
  enrich,
  omit,
  onlyOperations,
  pipe,
} from '../../dist/index.js'

const withMetadata = documentMessage({ headers: event => ({ ...event.metadata }) })
const three = pipe(
  onlyOperations('insert', 'update'),
  omit('author_id', 'content.Title'),
  addMetadata({ service: 'bench', schemaVersion: 3 }),
)
const enriched = pipe(
  enrich(
    () => delay(5, 'found'),
    (event, answer) => ({ ...event, fullDocument: { ...event.fullDocument, answer } }),
  ),
  documentMessage(),
)
const images = { fullDocument: 'whenAvailable', fullDocumentBeforeChange: 'whenAvailable' }

export const modes = {
  untouched: { transform: documentMessage() },
  three: { transform: pipe(three, withMetadata) },
  enrich: { transform: enriched },
  'enrich-128': { transform: enriched, transformConcurrency: 128 },
  changes: { transform: changeEventMessage() },
  lookup: { transform: documentMessage(), source: { fullDocument: 'updateLookup' } },
  images: { transform: changeEventMessage(), source: images },
  /** W2. */
  hot: { transform: pipe(three, changeEventMessage()) },
  'hot-pipelined': { transform: pipe(three, changeEventMessage()), ordering: 'pipelined' },
}
