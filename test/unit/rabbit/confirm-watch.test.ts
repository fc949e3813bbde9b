import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ConfirmWatch } from '../../../src/rabbit/confirm-watch.js'

describe('confirm watch', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function watch(baseMs = 1_000) {
    const silences: number[] = []
    return { silences, watch: new ConfirmWatch(baseMs, silentMs => silences.push(silentMs)) }
  }

  it('tells when nothing came for so long, and a moment for what is still in the socket', () => {
    const { silences, watch: w } = watch()
    w.await()
    vi.advanceTimersByTime(1_099)
    expect(silences).toEqual([])
    vi.advanceTimersByTime(1)
    expect(silences).toEqual([1_100])
  })

  it('looks twice again after it was interrupted between the two looks', () => {
    const { silences, watch: w } = watch()
    w.await()
    vi.advanceTimersByTime(1_050)
    w.rest()
    w.await()
    vi.advanceTimersByTime(1_099)
    expect(silences).toEqual([])
    vi.advanceTimersByTime(1)
    expect(silences).toEqual([1_100])
  })

  it('measures progress, not single messages', () => {
    const { silences, watch: w } = watch()
    w.await()
    for (let i = 0; i < 10; i++) {
      vi.advanceTimersByTime(900)
      w.await()
      w.progress()
    }
    expect(silences).toEqual([])
    vi.advanceTimersByTime(1_100)
    expect(silences).toHaveLength(1)
  })

  it('counts no time while nothing is awaited', () => {
    const { silences, watch: w } = watch()
    w.await()
    vi.advanceTimersByTime(900)
    w.rest()
    vi.advanceTimersByTime(10_000)
    w.await()
    vi.advanceTimersByTime(1_000)
    expect(silences).toEqual([])
    vi.advanceTimersByTime(200)
    expect(silences).toHaveLength(1)
  })

  it('is twice as patient each time, up to five minutes, until there was no silence for ten', () => {
    const { silences, watch: w } = watch(60_000)
    const next = () => {
      const before = silences.length
      w.await()
      let ms = 0
      while (silences.length === before) {
        vi.advanceTimersByTime(100)
        ms += 100
      }
      return Math.round(ms / 10_000) * 10
    }
    expect([next(), next(), next(), next(), next()]).toEqual([60, 120, 240, 300, 300])
    w.await()
    w.progress()
    expect(next()).toBe(300)
    w.rest()
    vi.advanceTimersByTime(600_000)
    w.await()
    w.progress()
    expect(next()).toBe(60)
  })

  it('waits long enough for a broker that is always slow: at most one time-out in ten minutes', () => {
    const { silences, watch: w } = watch(30_000)
    const answerAfter = (ms: number) => {
      w.await()
      vi.advanceTimersByTime(ms)
      w.progress()
      w.rest()
    }
    w.await()
    vi.advanceTimersByTime(35_000)
    expect(silences).toHaveLength(1)
    // Asked with one message it answers at once; with all of them it is slow again.
    for (let i = 0; i < 13; i++) {
      answerAfter(1)
      answerAfter(40_000)
    }
    expect(silences).toHaveLength(1)
    vi.advanceTimersByTime(80_000)
    answerAfter(1)
    answerAfter(35_000)
    expect(silences).toHaveLength(2)
  })

  it('forgives a stop of the process when the answer is read right after', () => {
    const { silences, watch: w } = watch()
    w.await()
    vi.advanceTimersByTime(1_050)
    w.progress()
    vi.advanceTimersByTime(500)
    expect(silences).toEqual([])
  })

  it('keeps no timer after the end', () => {
    const { watch: w } = watch()
    w.await()
    w.stop()
    expect(vi.getTimerCount()).toBe(0)
  })
})
