"""Where customers write from: names, cities, greetings and closings, for `persons` to draw from."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Culture:
    """Where a person writes from. greetings may hold `{hour}`: morning, afternoon or evening."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    cities: tuple[str, ...]
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    company: tuple[str, ...]
    currency: str
    phone: str


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


def parts(text: str) -> tuple[str, ...]:
    """The parts of a text, set apart by ` / `."""
    return tuple(part.strip() for part in text.split(" /"))


ENGLISH_GREETINGS = parts(
    "Hi, / Hello, / Hi there, / Hi team, / Hello support, / Dear support team, / Good {hour}, /"
    "Hey, / Hi all, / Dear Sir or Madam, / Good {hour} everyone, / Hi Tidewell team, / Greetings,"
)
ENGLISH_CLOSINGS = parts(
    "Thanks, / Thank you, / Best regards, / Kind regards, / Cheers, / Best, / Many thanks, /"
    "Thanks in advance, / Regards, / Sincerely, / Thx / All the best,"
)

CULTURES: Mapping[str, Culture] = {
    "us": Culture(
        words("Emily Jacob Madison Tyler Hannah Brandon Grace Marcus Latoya Kevin Rachel Diego"),
        words("Miller Johnson Carter Nguyen Ramirez Thompson Brooks Patel Harris Cohen Reed Kim"),
        parts("Austin / Denver / Chicago / Portland / Atlanta / Boston"),
        ENGLISH_GREETINGS,
        ENGLISH_CLOSINGS,
        words("Inc. LLC Partners Studio Group"),
        "$",
        "+1 512 555 01",
    ),
    "uk": Culture(
        words("Oliver Charlotte Harry Imogen Callum Niamh Rhys Aisha Gareth Fiona Zara Simon"),
        words("Smith Hughes Clarke O'Brien Khan Davies Murray Walsh Bennett Begum Fraser Lloyd"),
        parts("Leeds / Bristol / Glasgow / Dublin / London / Cardiff"),
        ENGLISH_GREETINGS,
        ENGLISH_CLOSINGS,
        words("Ltd & Co. Partners Agency Design"),
        "£",
        "+44 117 496 00",
    ),
    "de": Culture(
        words("Anna Lukas Katharina Jonas Sabine Felix Birgit Moritz Heike Jan Ayşe Thorsten"),
        words("Müller Schmidt Weber Hoffmann Krüger Vogel Brandt Yılmaz Lehmann Huber Jung Seidel"),
        parts("Berlin / Hamburg / München / Köln / Leipzig / Wien"),
        parts(
            "Hallo, / Guten Tag, / Hallo zusammen, / Moin, / Liebes Support-Team, / Servus, / Hi,"
        ),
        parts(
            "Viele Grüße / Mit freundlichen Grüßen / Beste Grüße / Danke und Gruß / LG / Thanks,"
        ),
        parts("GmbH / AG / GmbH & Co. KG / Agentur"),
        "€",
        "+49 30 23125 0",
    ),
    "fr": Culture(
        words("Camille Julien Élodie Mathieu Chloé Antoine Inès Nicolas Aurélie Karim Margaux Luc"),
        words("Martin Bernard Dubois Moreau Lefèvre Garnier Benali Rousseau Faure Mercier Petit"),
        parts("Lyon / Paris / Nantes / Lille / Bordeaux / Genève"),
        parts("Bonjour, / Bonjour à tous, / Bonsoir, / Madame, Monsieur, / Salut, / Hello,"),
        parts("Cordialement, / Bien à vous, / Merci d'avance, / Bonne journée, / Thank you,"),
        words("SARL SAS Conseil Atelier"),
        "€",
        "+33 1 99 00 12 ",
    ),
    "es": Culture(
        words("Lucía Javier Carmen Sergio Marta Álvaro Paula Andrés Elena Ximena Rodrigo Pilar"),
        words("García Fernández López Navarro Ruiz Ortega Vega Castillo Molina Torres Salazar"),
        parts("Madrid / Valencia / Sevilla / Bogotá / Ciudad de México"),
        parts("Hola, / Buenos días, / Buenas tardes, / Estimado equipo, / Hola equipo, / Hi,"),
        parts("Un saludo, / Saludos cordiales, / Muchas gracias, / Gracias, / Best regards,"),
        words("S.L. S.A. Estudio"),
        "€",
        "+34 910 600 1",
    ),
    "pt": Culture(
        words("Beatriz Tiago Mariana Rafael Inês Gustavo Larissa Bruno Joana Caio"),
        words("Silva Santos Oliveira Costa Pereira Almeida Ribeiro Carvalho Rocha"),
        parts("Lisboa / Porto / São Paulo / Curitiba"),
        parts("Olá, / Bom dia, / Boa tarde, / Prezados, / Oi pessoal, / Hi team,"),
        parts("Obrigada / Obrigado / Atenciosamente, / Cumprimentos, / Abraço, / Thanks!"),
        words("Lda. Ltda. Digital"),
        "€",
        "+351 21 1920 ",
    ),
    "it": Culture(
        words("Giulia Marco Chiara Alessandro Francesca Davide Sara Luca Elisa Matteo"),
        words("Rossi Bianchi Ferrari Romano Greco Conti Marino Lombardi Gallo"),
        parts("Milano / Torino / Bologna / Roma"),
        parts("Buongiorno, / Salve, / Ciao, / Gentile assistenza, / Hello,"),
        parts("Cordiali saluti, / Grazie mille, / Saluti, / Buona giornata, / Kind regards,"),
        words("S.r.l. S.p.A. Studio"),
        "€",
        "+39 02 5550 1",
    ),
    "nl": Culture(
        words("Sanne Daan Femke Joris Lotte Bram Anouk Thijs Maud Ruben"),
        words("Jansen Bakker Visser Smit Mulder Vos Dekker Peters Hendriks"),
        parts("Utrecht / Amsterdam / Eindhoven / Gent / Antwerpen"),
        parts("Hoi, / Goedemorgen, / Beste, / Goedemiddag, / Hallo, / Hi all,"),
        parts("Met vriendelijke groet, / Groeten, / Alvast bedankt, / Mvg / Thanks,"),
        words("B.V. Bureau NV"),
        "€",
        "+31 20 798 10",
    ),
    "nordic": Culture(
        words("Freja Emil Sofie Anders Ingrid Mikkel Astrid Oskar Linnea Jukka Aino"),
        words("Hansen Nilsson Larsen Johansson Berg Lindqvist Virtanen Dahl Korhonen Nygaard"),
        parts("Malmö / Oslo / København / Helsinki / Aarhus"),
        parts("Hej, / Hei, / Hei alle sammen, / God morgen, / Moi, / Hi,"),
        parts("Venlig hilsen, / Mvh / Hälsningar, / Terveisin, / Tack på förhand, / BR,"),
        words("AS AB ApS Oy"),
        "€",
        "+47 23 89 01 ",
    ),
    "pl": Culture(
        words("Agnieszka Piotr Katarzyna Tomasz Magdalena Paweł Zuzanna Marek Tereza Ondřej"),
        words("Kowalski Nowak Wiśniewski Zieliński Lewandowska Mazur Novák Dvořák Wójcik"),
        parts("Kraków / Wrocław / Warszawa / Praha / Brno"),
        parts("Dzień dobry, / Witam, / Dobrý den, / Cześć, / Hello,"),
        parts("Pozdrawiam, / Z poważaniem, / S pozdravem, / Dziękuję, / Best regards,"),
        parts("Sp. z o.o. / S.A. / s.r.o."),
        "€",
        "+48 12 345 10 ",
    ),
    "in": Culture(
        words("Priya Arjun Sneha Rohan Ananya Vikram Kavya Sanjay Meera Imran"),
        words("Sharma Iyer Reddy Mehta Kulkarni Banerjee Khan Nair Gupta Joshi"),
        parts("Pune / Bengaluru / Mumbai / Hyderabad"),
        parts(
            "Dear team, / Hi team, / Namaste, / Respected Sir/Madam, / Hello, / Good {hour} team,"
        ),
        parts("Thanks & regards, / Warm regards, / Thanking you, / Regards, / Thanks in advance,"),
        parts("Pvt. Ltd. / Technologies / Solutions"),
        "$",
        "+91 80 4718 0",
    ),
    "jp": Culture(
        words("Yuki Haruto Sakura Kenji Mei Daichi Aya Jun Min-jun Wei"),
        words("Tanaka Sato Suzuki Watanabe Ito Kobayashi Park Chen Lin Mori"),
        parts("Tokyo / Osaka / Seoul / Taipei / Singapore"),
        parts(
            "お世話になっております。 / こんにちは、 / 您好， / 안녕하세요, / Hello, / Dear all,"
        ),
        parts("よろしくお願いいたします。 / 谢谢！ / 감사합니다. / Best regards, / Kind regards,"),
        parts("K.K. / Co., Ltd. / Design"),
        "$",
        "+81 3 4578 0",
    ),
}

WEIGHTS = (22, 16, 14, 8, 7, 5, 5, 6, 5, 5, 5, 4)
"""How often a customer is of each culture, in their order."""
