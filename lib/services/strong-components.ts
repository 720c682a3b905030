/** Which nodes of a graph reach each other. */

/**
 * The strongly connected components of the graph of `nodes` (Tarjan 1972), each after those that it leads to. `edges` gives where a node
 * leads; what is not in `nodes` is left out. Deep graphs need no deep stack.
 */
export function strongComponents<Node>(
  nodes: Iterable<Node>,
  edges: (node: Node) => Iterable<Node>,
): Node[][] {
  const known = new Set(nodes);
  const order = new Map<Node, number>();
  const lowest = new Map<Node, number>();
  const open: Node[] = [];
  const isOpen = new Set<Node>();
  const components: Node[][] = [];

  const enter = (node: Node): { node: Node; next: Iterator<Node> } => {
    order.set(node, order.size);
    lowest.set(node, order.size - 1);
    open.push(node);
    isOpen.add(node);
    return { node, next: edges(node)[Symbol.iterator]() };
  };
  const lower = (node: Node, to: number | undefined): void => {
    lowest.set(node, Math.min(lowest.get(node) ?? 0, to ?? 0));
  };
  const close = (node: Node): void => {
    if (lowest.get(node) !== order.get(node)) return;
    const component = open.splice(open.lastIndexOf(node));
    for (const member of component) isOpen.delete(member);
    components.push(component);
  };

  for (const start of known) {
    if (order.has(start)) continue;
    const path = [enter(start)];
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const step = top.next.next();
      if (step.done === true) {
        path.pop();
        close(top.node);
        const parent = path.at(-1);
        if (parent !== undefined) lower(parent.node, lowest.get(top.node));
      } else if (!known.has(step.value)) {
        // Outside of the graph.
      } else if (!order.has(step.value)) path.push(enter(step.value));
      else if (isOpen.has(step.value)) lower(top.node, order.get(step.value));
    }
  }
  return components;
}
