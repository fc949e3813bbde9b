// What the guard measures, from the sources as they are now: parts of it aren't exported.
export { createCdcPipeline, documentMessage, memoryCheckpointStore, RabbitPublisher } from '../src/index.js'
export { EventDecoder } from '../src/source/decode-event.js'
export { recordsOf } from '../src/source/records.js'
