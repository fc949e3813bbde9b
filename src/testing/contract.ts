/**
 * One case of a contract suite: give it to the `it` or `test` of any framework, under its name. It rejects with an
 * AssertionError when the contract is broken.
 */
export interface ContractCase {
  readonly name: string
  readonly run: () => Promise<void>
}
