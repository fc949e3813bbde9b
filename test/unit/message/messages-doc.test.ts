import { readFileSync } from 'node:fs'
import type { ChangeStreamDocument } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { documentMessage } from '../../../src/message/document-message.js'
import type { RabbitMessage } from '../../../src/types.js'
import * as events from './events.js'

const page = readFileSync(new URL('../../../docs/messages.md', import.meta.url), 'utf8')

/** The JSON block below this heading. */
function printedUnder(heading: string): unknown {
  const section = page.split(`\n### ${heading}\n`)[1] ?? ''
  return JSON.parse(section.split('```json\n')[1]?.split('```')[0] ?? 'null')
}
const parsed = (message: RabbitMessage | null) => message && JSON.parse(Buffer.from(message.body).toString())

describe('docs/messages.md prints what is really sent', () => {
  it.each([
    ['insert', events.insertEvent],
    ['update', events.updateEvent],
    ['replace', events.replaceEvent],
    ['delete', events.deleteEvent],
    ['drop', events.dropEvent],
    ['rename', events.renameEvent],
    ['dropDatabase', events.dropDatabaseEvent],
    ['invalidate', events.invalidateEvent],
    ['createIndexes', events.createIndexesEvent],
    ['insert in a transaction', events.transactionEvent],
  ] satisfies [string, ChangeStreamDocument][])('changeEventMessage: %s', (heading, event) => {
    expect(printedUnder(`changeEventMessage: ${heading}`)).toEqual(parsed(changeEventMessage()(event)))
  })

  it('changeEventMessage: insert, canonical', () => {
    const message = changeEventMessage({ ejson: 'canonical' })(events.transactionEvent)
    expect(printedUnder('changeEventMessage: insert, canonical')).toEqual(parsed(message))
  })

  it.each([
    ['insert', events.insertEvent],
    ['update', events.updateEvent],
    ['replace', events.replaceEvent],
    ['delete', events.deleteEvent],
  ] satisfies [string, ChangeStreamDocument][])('documentMessage: %s', (heading, event) => {
    expect(printedUnder(`documentMessage: ${heading}`)).toEqual(parsed(documentMessage()(event)))
  })
})
