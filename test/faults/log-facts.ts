import type { LogLine } from './history.js'

/** Whether the loss of an event was announced. */
export function losses(log: readonly LogLine[]): (token: string) => boolean {
  const skipped = new Set<string>()
  const ranges: { from: string; to: string | undefined }[] = []
  for (const line of log) {
    if (line.kind === 'skipped') skipped.add(line.id)
    else if (line.kind === 'historyLost') ranges.push(line)
  }
  return token => {
    if (skipped.has(token)) return true
    return ranges.some(({ from, to }) => token >= from && (to === undefined || token < to))
  }
}

/** Events that were unconfirmed when a connection or the process was lost: copies of them may lie anywhere. */
export function abandoned(log: readonly LogLine[]): Set<string> {
  const unconfirmed = new Set<string>()
  const lost = new Set<string>()
  for (const line of log) {
    if (line.kind === 'sent') unconfirmed.add(line.id)
    else if (line.kind === 'confirmed' || line.kind === 'rejected') unconfirmed.delete(line.id)
    else if (line.kind === 'disconnected' || line.kind === 'ended') for (const id of unconfirmed) lost.add(id)
    if (line.kind === 'ended') unconfirmed.clear()
  }
  return lost
}

/** How many copies restarts, reconnects and fall-backs explain. */
export function explainedCopies(log: readonly LogLine[], tokens: readonly string[]): number {
  let explained = 0
  let saved = ''
  let clean = false
  let sent = new Set<string>()
  for (const line of log) {
    if (line.kind === 'saved') saved = line.key
    else if (line.kind === 'loaded') saved = line.key ?? ''
    else if (line.kind === 'sent') sent.add(line.id)
    else if (line.kind === 'connected') explained += line.resent
    else if (line.kind === 'fallback') explained += tokens.filter(token => token.startsWith(line.head)).length
    else if (line.kind === 'stopped') clean = line.drained
    else if (line.kind === 'ended') {
      // The span, and what was settled since the last save.
      if (!clean) for (const id of sent) explained += id > saved ? 1 : 0
      clean = false
      sent = new Set()
    }
  }
  return explained
}
