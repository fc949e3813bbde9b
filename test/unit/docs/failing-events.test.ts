import { expect, it } from 'vitest'
import { deadLetterMessage } from '../../../src/message/dead-letter-message.js'
import { threw } from '../../../src/pipeline/threw.js'
import { map } from '../../../src/transform/map.js'
import { pipe } from '../../../src/transform/pipe.js'
import { read } from './pages.js'

interface Insert {
  readonly fullDocument: { readonly total: { readonly amount: number } }
}

it('the dead letter in docs/failing-events.md has the fields and the error of a real one', () => {
  const shown = JSON.parse(/^```json\n(.*?)^```$/ms.exec(read('docs/failing-events.md'))?.[1] ?? '')
  const withTotal = (event: Insert): number => event.fullDocument.total.amount
  const transform = pipe(
    map((event: Insert) => event),
    withTotal,
  )
  let error: unknown
  try {
    void transform(shown.event)
  } catch (thrown) {
    error = threw('A transform', thrown)
  }
  const facts = { pipeline: 'orders', id: '8265', stage: 'transform', attempts: 1, failedAt: new Date() } as const
  const { body } = deadLetterMessage()({ ...facts, error, event: shown.event })
  const letter = JSON.parse(Buffer.from(body).toString())
  expect(shown.error).toEqual(letter.error)
  expect(Object.keys(shown)).toEqual(Object.keys(letter))
})
