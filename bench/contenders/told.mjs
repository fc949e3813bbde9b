// What the runner has told this process; see `prepare` in jobs.mjs.

import { Timestamp } from 'mongodb'
import { endWithParent } from '../end-with-parent.mjs'

/** Backlog, servers, queue, and how many events: 0 is without end. */
export const told = JSON.parse(process.env.BENCH)

endWithParent()

/** The time at which the backlog begins. */
export function startOfBacklog() {
  return new Timestamp(told.from)
}
