import { test } from 'vitest'
import { LONG_MS, playRandomSchedules, runs, seed } from './support/schedules/random-schedules.js'

test(
  `in ${runs} more random schedules of faults nothing is lost, and every other promise holds as well`,
  () => playRandomSchedules(seed + 1),
  LONG_MS,
)
