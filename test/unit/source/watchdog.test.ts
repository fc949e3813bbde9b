import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { guardRead } from '../../../src/source/watchdog.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

/** A guarded read that is answered, refused and aborted by hand; the server is alive or not. */
function guarded({ alive = true, aborted = false, probe = async (): Promise<boolean> => alive } = {}) {
  const abort = new AbortController()
  if (aborted) abort.abort(new Error('stopped'))
  const silences: { silentMs: number; answered: boolean }[] = []
  let answer: (value: string) => void = () => undefined
  let refuse: (error: Error) => void = () => undefined
  const read = new Promise<string>((resolve, reject) => {
    answer = resolve
    refuse = reject
  })
  const onSilence = (silence: { silentMs: number; answered: boolean }): void => {
    silences.push(silence)
  }
  const result = guardRead(read, { patienceMs: 1000, limitMs: 60_000, probe, onSilence, signal: abort.signal })
  const settled = result.then(
    value => value,
    (error: Error) => error,
  )
  return { abort, silences, answer, refuse, settled }
}

it('hands on what was read, and what went wrong', async () => {
  const good = guarded()
  good.answer('batch')
  expect(await good.settled).toBe('batch')
  const bad = guarded()
  bad.refuse(new Error('away'))
  expect(await bad.settled).toMatchObject({ message: 'away' })
})

it('is twice as patient each time the server turns out to be alive', async () => {
  const { silences, answer, settled } = guarded({ alive: true })
  await vi.advanceTimersByTimeAsync(1000 + 2000 + 4000)
  expect(silences).toEqual([1000, 3000, 7000].map(silentMs => ({ silentMs, answered: true })))
  answer('late, but there')
  expect(await settled).toBe('late, but there')
})

it('gives up the read when its time is over though the server is alive: its connection alone may be forgotten', async () => {
  const { silences, settled } = guarded({ alive: true })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(silences.map(({ silentMs }) => silentMs)).toEqual([1000, 3000, 7000, 15_000, 31_000, 60_000])
  expect(await settled).toMatchObject({ code: 'CDC_SOURCE_UNAVAILABLE', retryable: true })
})

it('gives up a server that does not answer elsewhere either', async () => {
  const { silences, settled } = guarded({ alive: false })
  await vi.advanceTimersByTimeAsync(1000)
  expect(silences).toEqual([{ silentMs: 1000, answered: false }])
  expect(await settled).toMatchObject({ code: 'CDC_SOURCE_UNAVAILABLE', retryable: true })
})

it('takes a probe that fails for no answer', async () => {
  const { settled } = guarded({ probe: () => Promise.reject(new Error('refused')) })
  await vi.advanceTimersByTimeAsync(1000)
  expect(await settled).toMatchObject({ code: 'CDC_SOURCE_UNAVAILABLE' })
})

it('takes an answer that comes while it asks, and says nothing then', async () => {
  let finish: (alive: boolean) => void = () => undefined
  const probe = (): Promise<boolean> =>
    new Promise(resolve => {
      finish = resolve
    })
  const { silences, answer, settled } = guarded({ probe })
  await vi.advanceTimersByTimeAsync(1000)
  answer('just in time')
  expect(await settled).toBe('just in time')
  finish(false)
  await vi.advanceTimersByTimeAsync(0)
  expect(silences).toEqual([])
})

it('ends at once when it is aborted, and has no trouble with what comes later', async () => {
  const { abort, refuse, settled } = guarded()
  abort.abort(new Error('stopped'))
  expect(await settled).toMatchObject({ message: 'stopped' })
  refuse(new Error('cursor killed'))
  await vi.advanceTimersByTimeAsync(10_000)
})

it('observes the read also when it was aborted before, so that its failure is nobody’s surprise', async () => {
  const surprises: unknown[] = []
  const listener = (error: unknown): void => void surprises.push(error)
  process.on('unhandledRejection', listener)
  const { refuse, settled } = guarded({ aborted: true })
  expect(await settled).toMatchObject({ message: 'stopped' })
  refuse(new Error('cursor killed'))
  vi.useRealTimers()
  await new Promise(resolve => setImmediate(resolve))
  process.off('unhandledRejection', listener)
  vi.useFakeTimers()
  expect(surprises).toEqual([])
})
