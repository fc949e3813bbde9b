/** A message as the broker sees it. */
export interface Wired {
  readonly id: string
  readonly body: string
}

/** What a channel of the broker tells its client. */
export interface ChannelClient {
  ack(tag: number, multiple: boolean): void
  nack(tag: number, multiple: boolean): void
  returned(message: Wired): void
  /** The broker closed the channel, because of this message or together with the connection. */
  lost(culprit: Wired | undefined): void
}

/** Read by the broker, and not confirmed yet. */
export interface Handled extends Wired {
  readonly tag: number
  readonly returned: boolean
}

/** One channel in confirm mode: what was written and not read yet, and what was read and not confirmed yet. */
export class Channel {
  readonly wire: (Wired & { readonly tag: number })[] = []
  handled: Handled[] = []
  readonly client: ChannelClient
  open = true
  #tag = 0

  constructor(client: ChannelClient) {
    this.client = client
  }

  write(message: Wired): void {
    this.#tag += 1
    this.wire.push({ ...message, tag: this.#tag })
  }
}

/** What is stored, and what its client doesn't know of yet. */
export function storedOf({ handled }: Channel): readonly Wired[] {
  return handled.filter(message => !message.returned)
}
