import { describe, expect, it } from 'vitest'
import { documentImageOf } from '../../../src/document-image.js'
import { markImages } from '../../../src/source/mark-images.js'
import type { ChangeEvent, Reader } from '../../../src/source/reader.js'

const update = (fullDocument?: unknown): ChangeEvent => ({
  _id: { _data: '82' },
  operationType: 'update',
  ...(fullDocument !== undefined && { fullDocument }),
})

function readerOf(...events: ChangeEvent[]): Reader {
  return {
    nextBatch: async () => ({ events: events.map(event => ({ event, size: 1 })), closed: false }),
    close: async () => {},
  }
}
async function imagesOf(fullDocument: Parameters<typeof markImages>[1], ...events: ChangeEvent[]) {
  const { events: read } = await markImages(readerOf(...events), fullDocument).nextBatch(1)
  return read.map(({ event }) => documentImageOf(event))
}

describe('the moment of which the document of an update is', () => {
  it.each([
    ['updateLookup', 'looked-up'],
    ['whenAvailable', 'stored'],
    ['required', 'stored'],
  ] as const)('with `fullDocument: %s` is said to be %s', async (fullDocument, image) => {
    expect(await imagesOf(fullDocument, update({ a: 1 }))).toEqual([image])
  })
  it('is not said of updates without document', async () => {
    expect(await imagesOf('whenAvailable', update(null), update())).toEqual([undefined, undefined])
  })
  it('is not said of other changes', async () => {
    const insert = { ...update({ a: 1 }), operationType: 'insert' }
    expect(await imagesOf('updateLookup', insert)).toEqual([undefined])
  })
  it('is not said where the source asks for none, although a stage may have added one', async () => {
    expect(await imagesOf('default', update({ a: 1 }))).toEqual([undefined])
  })
})
