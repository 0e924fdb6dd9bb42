package org.reveille.leshan.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.eclipse.leshan.core.endpoint.EndpointUri;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.peer.IpPeer;
import org.eclipse.leshan.server.registration.Registration;
import org.junit.jupiter.api.Test;

class PageTest {
    @Test
    void pagesContainEachClientOnceAndInOrder() {
        List<String> names = new ArrayList<>();
        for (int i = 0; i < 103; i++) {
            names.add("dev-" + i);
        }
        Collections.shuffle(names, new Random(1));
        List<String> listed = new ArrayList<>();
        List<String> page = page(names, null);
        while (!page.isEmpty()) {
            listed.addAll(page);
            page = page(names, page.get(page.size() - 1));
        }
        Collections.sort(names);
        assertEquals(names, listed);
    }

    private static List<String> page(List<String> names, String after) {
        Page page = new Page(10, after);
        names.forEach(name -> page.offer(client(name)));
        return page.clients().stream().map(Registration::getEndpoint).toList();
    }

    private static Registration client(String name) {
        return new Registration.Builder("id-" + name, name, new IpPeer(new InetSocketAddress("127.0.0.1", 1)),
                new EndpointUri("coap", "127.0.0.1", 5683)).objectLinks(new Link[0]).build();
    }
}
