/** A change of the sources that the fuzz has to notice. */
export interface Bug {
  readonly name: string
  readonly file: string
  /** Stands there exactly once, or the build fails. */
  readonly snippet: string
  readonly instead: string
}

/** To add a bug is to add a row. */
export const plantedBugs: readonly Bug[] = [
  {
    name: 'a name that stands there twice is written twice',
    file: 'src/field-names.ts',
    snippet: 'if (this.#hashes[i] === hash) return false',
    instead: 'if (this.#hashes[i] === hash) return true',
  },
  {
    name: 'text that is no UTF-8 goes out as it is',
    file: 'src/message/bson-to-ejson.ts',
    snippet: 'if (!isUtf8(bytes.subarray(from, to))) return false',
    instead: '',
  },
  {
    name: 'a quote among four bytes is not seen',
    file: 'src/byte-writer.ts',
    snippet: '((small | quote | backslash | word)',
    instead: '((small | backslash | word)',
  },
  {
    name: 'the upper half of a long is read as if it had no sign',
    file: 'src/message/bson-to-ejson.ts',
    snippet: 'low: int32At(bytes, at), unsigned: false',
    instead: 'low: int32At(bytes, at), unsigned: true',
  },
  {
    name: 'an Int64 of 2^53 is rounded',
    file: 'src/message/ejson-numbers.ts',
    snippet: 'value >= -PROMOTED && value <= PROMOTED)',
    instead: 'value >= -PROMOTED * 2 && value <= PROMOTED * 2)',
  },
]

/** Shows in whole pipelines alone. */
export const plantedInPipelines: Bug = {
  name: 'a document that nobody has read is taken for the one before',
  file: 'src/message/change-event-message.ts',
  snippet: 'deferredIn(event, name)) ||',
  instead: "deferredIn(event, 'fullDocument')) ||",
}
