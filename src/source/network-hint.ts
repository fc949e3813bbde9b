/** What is looked at of the driver's error for a deployment without a usable server. */
interface SelectionError {
  readonly reason?: { readonly setName?: unknown; readonly servers?: unknown }
}

/**
 * What to do about a deployment that can't be reached, where waiting may not help; `undefined` where it does. The driver
 * puts aside every server that calls its set otherwise, and then only says that its time is over.
 */
export function networkHint(error: unknown, text: string): string | undefined {
  const { setName, servers } = (error as SelectionError | null | undefined)?.reason ?? {}
  if (typeof setName === 'string' && servers instanceof Map && servers.size === 0) {
    return `no server that was found belongs to the replica set "${setName}": check \`replicaSet\``
  }
  return /ENOTFOUND|EAI_AGAIN|ENODATA/.test(text) ? 'the host name is not known here: check it, and the DNS' : undefined
}
