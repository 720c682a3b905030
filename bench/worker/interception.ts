/** What the interceptors of the rows that have them do, in every arm alike: the server asks for a token, both sides count the statuses. */

const wanted = /^Bearer [0-9a-f]{48}$/;
const statuses = new Map<number, number>();

/** Whether the value of `authorization` is a token such as the clients send. */
export function isAuthorized(authorization: unknown): boolean {
  return typeof authorization === 'string' && wanted.test(authorization);
}

/** A call ended with the status `code`. */
export function countStatus(code: number): void {
  statuses.set(code, (statuses.get(code) ?? 0) + 1);
}
