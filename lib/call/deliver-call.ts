/** Runs the user code of a call; one function for all calls, so that entering a call's scope makes no closure. */
export const deliverCall = (call: { deliver(): void }): void => call.deliver();
