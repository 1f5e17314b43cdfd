/** Who asks something of a program. */
export interface Asker {
  /** See `ownerOf`. */
  readonly owner: string
  /** As on the audit trail. */
  readonly actor: string
  readonly requestId: string
  /** Whether the asker may still cut: a take that waits may outlive its token. */
  mayStill(): boolean
}
