import fc from 'fast-check'
import type { ChangeStreamDocument } from 'mongodb'
import { describe, expect, it } from 'vitest'
import { changeEventMessage } from '../../../src/message/change-event-message.js'
import { documentMessage } from '../../../src/message/document-message.js'
import { omit } from '../../../src/transform/omit.js'
import { pick } from '../../../src/transform/pick.js'
import { redact } from '../../../src/transform/redact.js'
import type { Redaction } from '../../../src/transform/redaction.js'
import { type MarkedEvent, markedEvent, relation, rulePaths } from './field-arbitraries.js'
import { deepFreeze, updateOf } from './update-events.js'

const redactions: readonly Redaction[] = [
  'remove',
  { mask: '***' },
  { mask: '***', keepLast: 1 },
  { hash: { key: 'a key of more than 16 bytes' } },
  { hash: { key: 'a key of more than 16 bytes', encoding: 'base64url' } },
]
const redaction = fc.constantFrom(...redactions)

/** Everything that leaves the process because of an event. */
function sent(event: ChangeStreamDocument): string {
  const shapes = [
    changeEventMessage({ ejson: 'relaxed', routingKey: '{id}' }),
    changeEventMessage({ ejson: 'canonical' }),
    documentMessage({ ejson: 'relaxed' }),
    documentMessage({ ejson: 'canonical' }),
  ]
  const messages = shapes.map(shape => shape(event))
  return messages.map(message => `${message?.body}${JSON.stringify({ ...message, body: undefined })}`).join('\n')
}

function eventOf({
  documents: [fullDocument, fullDocumentBeforeChange],
  documentKey,
  description,
}: MarkedEvent): ChangeStreamDocument {
  return deepFreeze(updateOf(description, { fullDocument, fullDocumentBeforeChange, documentKey }))
}

const runs = { numRuns: 300 }

describe.each([true, false])('where the server explains dotted names: %s', explained => {
  it('redact lets nothing out that a rule hides, keeps the rest, and leaves its input alone', () => {
    fc.assert(
      fc.property(rulePaths, markedEvent(explained), fc.infiniteStream(redaction), (paths, marked, kinds) => {
        const step = redact(paths.map(path => [path, kinds.next().value as Redaction] as const))
        const event = eventOf(marked)
        const before = sent(event)
        const after = sent(step(event))
        expect(sent(event)).toBe(before)
        for (const { path, mark, place } of marked.marked) {
          const relations = paths.map(rule => relation(rule, path))
          if (relations.includes('hides')) expect(after).not.toContain(mark)
          const isTold = place === 'document' || (place === 'update' && explained)
          if (isTold && relations.every(one => one === 'apart')) expect(after).toContain(mark)
        }
      }),
      runs,
    )
  })

  it('omit is redact with "remove"', () => {
    fc.assert(
      fc.property(rulePaths, markedEvent(explained), (paths, marked) => {
        const event = eventOf(marked)
        const removed = redact(paths.map(path => [path, 'remove'] as const))(event)
        expect(omit(...(paths as [string[]]))(event)).toEqual(removed)
      }),
      runs,
    )
  })

  it('pick lets nothing out that no path leads to, and keeps what one leads to', () => {
    fc.assert(
      fc.property(rulePaths, markedEvent(explained), (paths, marked) => {
        const event = eventOf(marked)
        const after = sent(pick(...(paths as [string[]]))(event))
        for (const { path, mark, place } of marked.marked) {
          const picked = paths.map(rule => relation(rule, path)).includes('hides')
          if (picked) expect(after).toContain(mark)
          else if (place === 'document' || (place === 'update' && explained)) expect(after).not.toContain(mark)
        }
      }),
      runs,
    )
  })
})
