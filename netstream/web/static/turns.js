// What takes long is done in parts, between which the page answers to whoever uses it.

const LONGEST = 24;

/**
 * @param {number} [longest] milliseconds that may pass at a stretch
 * @returns {() => Promise<void>|null} something to wait for when it is time for others, else null
 */
export function turns(longest = LONGEST) {
  let began = performance.now();
  return () => {
    if (performance.now() - began < longest) return null;
    return new Promise((resolve) => {
      setTimeout(() => {
        began = performance.now();
        resolve();
      });
    });
  };
}

const MOST_AT_ONCE = 8;
const WITHIN = 3000;

/**
 * What browsers forbid to be done all the time, such as to change the address: done at once a few times, then now and then.
 *
 * @param {() => void} act does what is wanted by then
 * @returns {{want: () => void, forget: () => void}} `forget` leaves out what has not been done yet
 */
export function sparing(act) {
  const done = [];
  let timer = 0;
  const forget = () => {
    clearTimeout(timer);
    timer = 0;
  };
  const run = () => {
    forget();
    done.push(performance.now());
    if (done.length > MOST_AT_ONCE) done.shift();
    act();
  };
  const want = () => {
    if (done.length < MOST_AT_ONCE || performance.now() - done[0] >= WITHIN) run();
    else timer ||= setTimeout(run, WITHIN / MOST_AT_ONCE);
  };
  return { want, forget };
}

/**
 * Things that are done before the next pictures of the page, as many at a time as leave it smooth.
 *
 * @template T
 */
export class Queue {
  /** @type {Set<T>} */
  #waiting = new Set();
  #asked = false;

  /**
   * @param {(thing: T) => void} act
   * @param {number} [longest] milliseconds of each picture
   */
  constructor(act, longest = LONGEST / 2) {
    this.act = act;
    this.longest = longest;
  }

  add(thing) {
    this.#waiting.add(thing);
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => this.#run());
  }

  delete(thing) {
    this.#waiting.delete(thing);
  }

  #run() {
    this.#asked = false;
    const began = performance.now();
    for (const thing of this.#waiting) {
      this.#waiting.delete(thing);
      this.act(thing);
      if (performance.now() - began >= this.longest) break;
    }
    const [next] = this.#waiting;
    if (next !== undefined) this.add(next);
  }
}
