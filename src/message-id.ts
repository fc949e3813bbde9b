import { hash } from 'node:crypto'

/**
 * The id of a message: a digest of the event's id and the index of the message among those of the event. The same on
 * every copy, whichever process sends it; 43 characters, no personal data although resume tokens embed the `_id`.
 */
export function messageId(eventId: string, index: number): string {
  return hash('sha256', `${eventId}#${index}`, 'base64url')
}
