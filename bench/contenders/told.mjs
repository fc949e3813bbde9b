// What the runner has told this process; see `prepare` in jobs.mjs.

import { Timestamp } from 'mongodb'

/** Backlog, servers, queue, and how many events: 0 is without end. */
export const told = JSON.parse(process.env.BENCH)

// Its input closes when the runner ends, however that ends: nobody is there any more who wants the figures.
process.stdin
  .once('end', () => process.exit())
  .resume()
  .unref()

/** The time at which the backlog begins. */
export function startOfBacklog() {
  return new Timestamp(told.from)
}
