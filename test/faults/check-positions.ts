import type { History } from './history.js'
import { losses } from './log-facts.js'
import { type Violation, violation } from './verdict.js'

/** Whether every position was saved behind confirmed events alone, and none went back. */
export function checkPositions(history: History): Violation[] {
  return [...violation('passedUnconfirmed', passedUnconfirmed(history)), ...violation('wentBack', wentBack(history))]
}

/** In the order of the log, which is the order of the process: what was confirmed before a save began counts. */
function passedUnconfirmed({ truth, log }: History): string[] {
  const tokens = truth.map(({ token }) => token)
  const announced = losses(log)
  const confirmed = new Set<string>()
  const found: string[] = []
  let settled = 0
  for (const line of log) {
    if (line.kind === 'confirmed') confirmed.add(line.id)
    if (line.kind !== 'saving') continue
    for (let next = tokens[settled]; next !== undefined; next = tokens[settled]) {
      if (!confirmed.has(next) && !announced(next)) break
      settled += 1
    }
    const open = tokens[settled]
    if (open !== undefined && open <= line.key) found.push(`${line.key} saved before ${open} was confirmed`)
  }
  return found
}

function wentBack({ log }: History): string[] {
  const found: string[] = []
  let saving = ''
  let saved: string | undefined
  for (const line of log) {
    if (line.kind === 'saving') {
      if (line.key < saving) found.push(`${line.key} saved after ${saving}`)
      saving = line.key
    } else if (line.kind === 'saved') saved = line.key
    else if (line.kind === 'loaded') {
      // What was being saved when the process ended may be there or not; what was saved must.
      if (saved !== undefined && (line.key ?? '') < saved) found.push(`${line.key} loaded after ${saved} was saved`)
      saving = line.key ?? ''
      saved = line.key
    } else if (line.kind === 'fallback') {
      if (line.head < saving) saving = line.head
    }
  }
  return found
}
