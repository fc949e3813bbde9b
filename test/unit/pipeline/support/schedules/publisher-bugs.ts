import { vi } from 'vitest'
import { ConfirmTable } from '../../../../../src/rabbit/confirm-table.js'
import { ConfirmWatch } from '../../../../../src/rabbit/confirm-watch.js'
import type { PlantedBug } from './pipeline-bugs.js'

/** What the publisher can do wrong. */
export const publisherBugs: Readonly<Record<string, PlantedBug>> = {
  'what was unconfirmed is not sent again': {
    noticedBy: /^I9/,
    patch: () => {
      const { takeUnconfirmed } = ConfirmTable.prototype
      vi.spyOn(ConfirmTable.prototype, 'takeUnconfirmed').mockImplementation(function (
        this: ConfirmTable<object, unknown>,
      ) {
        takeUnconfirmed.call(this)
        return []
      })
    },
  },
  'what was unconfirmed is sent again in the wrong order': {
    noticedBy: /^I3/,
    within: { sink: 'rabbit', ordering: 'pipelined' },
    patch: () => {
      const { takeUnconfirmed } = ConfirmTable.prototype
      vi.spyOn(ConfirmTable.prototype, 'takeUnconfirmed').mockImplementation(function (
        this: ConfirmTable<object, unknown>,
      ) {
        return takeUnconfirmed.call(this).reverse()
      })
    },
  },
  'one confirm counts for all before it': {
    noticedBy: /^I[57]/,
    patch: () => patchConfirm((confirm, generation, tag, _multiple, taken) => confirm(generation, tag, true, taken)),
  },
  'a confirm for many counts for one': {
    noticedBy: /^I[79]/,
    patch: () => patchConfirm((confirm, generation, tag, _multiple, taken) => confirm(generation, tag, false, taken)),
  },
  'a message that came back counts as delivered': {
    noticedBy: /^I[15]/,
    patch: () => vi.spyOn(ConfirmTable.prototype, 'markReturned').mockReturnValue({}),
  },
  'a silent broker is waited for without end': {
    noticedBy: /^I9/,
    within: { sink: 'rabbit' },
    patch: () => vi.spyOn(ConfirmWatch.prototype, 'await').mockReturnValue(undefined),
  },
}

type Confirm = ConfirmTable<object, unknown>['confirm']

function patchConfirm(patched: (confirm: Confirm, ...given: Parameters<Confirm>) => number): void {
  const { confirm } = ConfirmTable.prototype
  vi.spyOn(ConfirmTable.prototype, 'confirm').mockImplementation(function (
    this: ConfirmTable<object, unknown>,
    ...given
  ) {
    return patched(confirm.bind(this) as Confirm, ...given)
  })
}
